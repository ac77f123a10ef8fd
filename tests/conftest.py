"""Fixtures that every folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from support.chain import Chain, build

settings.register_profile("no deadline", deadline=None)  # a test is not a stopwatch
settings.load_profile("no deadline")


# What these make takes processes of seconds each: a fitted bundle, a loaded store, a server.
_HEAVY = frozenset({"chain", "server", "loaded", "state", "market", "shop", "train"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out of the inner loop whatever stands on the whole chain, or on a fit."""
    for item in items:
        if _HEAVY & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The whole chain on 120 households of the real data."""
    folder: Path = tmp_path_factory.mktemp("chain")
    return build(folder, households=120)
