"""What HTTP answers equals deciding offline on the exported state, after a life of events; and by the real command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agreement_http import RULES, by_the_command, differences, live, serving
from support.server import Server
from support.shop import MILK, Shop

pytestmark = pytest.mark.slow

REQUESTS = 1000  # `make prove` asks ten times as many


@pytest.fixture(scope="module")
def guards(shop: Shop) -> Path:
    path = shop.folder / "consistent.toml"
    path.write_text(shop.guards.read_text() + RULES)
    return path


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path, guards: Path) -> Iterator[Server]:
    state = shutil.copy(loaded, shop.folder / "consistent.db")
    with Server(*serving(shop, f"sqlite:///{state}", guards)) as running:
        live(running, seed=3)
        yield running


def test_http_is_what_the_real_command_decides_from_the_exported_files(
    server: Server, shop: Shop, guards: Path
) -> None:
    answered, different = by_the_command(server, shop, guards)
    assert different == []
    assert {one.arm for one in answered} == {"empty", "popular", "personal", "challenger"}
    bundles = {arm: {one.model_version for one in answered if one.arm == arm} for arm in ("personal", "challenger")}
    assert [name.partition("/")[0] for arm in bundles.values() for name in arm] == ["small", "challenger"]


def test_http_is_the_core_on_the_exported_state(server: Server, shop: Shop, guards: Path) -> None:
    assert differences(server, shop, guards, count=REQUESTS, seed=5) == []


def test_it_would_notice_a_difference(server: Server, shop: Shop) -> None:
    """The control: under another policy offline, the lists differ."""
    assert differences(server, shop, shop.guards, count=100, seed=6)


def test_the_life_left_its_marks(server: Server) -> None:
    """Another control: fatigue, caps, dismissals and arms were at work in what was compared."""
    figures = server.http.get("/metrics").text
    for rule in ("fatigue", "frequency_cap", "dismissal", "holdout", "consent", "only_if_purchased"):
        assert f'recsys_withheld_total{{rule="{rule}"}}' in figures, rule
    assert MILK not in figures
