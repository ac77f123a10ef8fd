"""`recsys-serve --statistics`: taken up while it decides, named, the same over HTTP as offline, and refused if bad."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from support.commands import assert_clear_failure, run
from support.server import Server
from support.shop import ABSTAINER, AS_OF, DRINKER, Shop
from support.tokens import token
from support.waiting import until
from typer.testing import CliRunner

from recsys.cli import app as recsys
from training.cli import app as training

pytestmark = pytest.mark.slow

PEOPLE = (DRINKER, ABSTAINER, *(token(number) for number in range(20)))
EARLIER = AS_OF - dt.timedelta(days=60)


def here(app: typer.Typer, *arguments: object) -> None:
    """A command in this process: one of its own would spend most of its time on imports."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output


def counted(shop: Shop, day: dt.date) -> Path:
    """Statistics as of a day, by the command."""
    out = shop.folder / f"{day}.parquet"
    files = ("--purchases", shop.file("purchases"), "--subjects", shop.file("subjects"), "--out", out)
    here(training, "statistics", "--bundle", shop.bundle, "--trust", shop.trust, "--as-of", day, *files)
    return out


@pytest.fixture
def own(shop: Shop, loaded: Path, tmp_path: Path) -> Shop:
    """A shop whose files can be changed, with statistics as of today in `stats.parquet`."""
    shutil.copytree(shop.folder / "models", tmp_path / "models")
    files = [shop.file(name) for name in ("purchases", "subjects", "catalogue", "offers")]
    for path in (shop.guards, shop.trust, shop.folder / "signing.key", *files):
        shutil.copy(path, tmp_path)
    shutil.copy(loaded, tmp_path / "state.db")
    copy = Shop(tmp_path)
    counted(copy, AS_OF).rename(tmp_path / "stats.parquet")
    return copy


def options(shop: Shop) -> list[object]:
    state = f"sqlite:///{shop.folder / 'state.db'}"
    return [*shop.serve_options(state), "--statistics", shop.folder / "stats.parquet"]


def lists(server: Server) -> dict[str, dict[str, float]]:
    return {who: {item["offer_id"]: item["score"] for item in server.ask(who)["items"]} for who in PEOPLE}


def same(ours: dict[str, dict[str, float]], theirs: dict[str, dict[str, float]]) -> bool:
    """The same lists; how many people are scored at once moves the last bit of a score."""
    return all(
        list(ours[who]) == list(theirs[who]) and np.allclose([*ours[who].values()], [*theirs[who].values()], atol=1e-5)
        for who in PEOPLE
    )


def offline(shop: Shop, statistics: Path) -> dict[str, dict[str, float]]:
    """The same people by `recsys-evaluate decide`."""
    out = shop.folder / "decisions.jsonl"
    files = [
        word for name in ("purchases", "subjects", "catalogue", "offers") for word in (f"--{name}", shop.file(name))
    ]
    asked = ("--bundle", shop.bundle, "--trust", shop.trust, "--guards", shop.guards, "--as-of", AS_OF, "--out", out)
    here(recsys, "decide", *asked, *files, "--statistics", statistics)
    decisions = {decision["subject"]: decision for decision in map(json.loads, out.read_text().splitlines())}
    return {who: {item["offer_id"]: item["score"] for item in decisions[who]["items"]} for who in PEOPLE}


def models(server: Server) -> dict[str, Any]:
    return dict(server.http.get("/v1/models").json())


def test_fresh_statistics_are_taken_up_and_http_is_offline(own: Shop) -> None:
    stats, other = own.folder / "stats.parquet", counted(own, EARLIER)
    with Server(*options(own)) as server:
        assert models(server)["statistics_as_of"] == AS_OF.isoformat()
        first = lists(server)
        assert same(first, offline(own, stats))
        shutil.copy(other, own.folder / "beside")
        (own.folder / "beside").rename(stats)
        until(lambda: models(server)["statistics_as_of"] == EARLIER.isoformat())
        assert models(server)["statistics_sha256"] == hashlib.sha256(other.read_bytes()).hexdigest()
        second = lists(server)
        assert same(second, offline(own, other))
        assert not same(second, first)


def test_what_cannot_be_used_is_refused_and_the_old_serve_on(own: Shop) -> None:
    stats = own.folder / "stats.parquet"
    good = stats.read_bytes()
    with Server(*options(own)) as server:
        before, stands = lists(server), models(server)["statistics_sha256"]
        for bad, why in ((good[: len(good) // 2], "damaged"), (None, "no such file"), (b"", "empty")):
            stats.unlink()
            if bad is not None:
                stats.write_bytes(bad)
            until(lambda why=why: why in str(models(server)["refused"]))
            assert server.http.post("/v1/reload").status_code == 409
            assert (lists(server), models(server)["statistics_sha256"]) == (before, stands)
            stats.write_bytes(good)
            until(lambda: server.http.post("/v1/reload").status_code == 200)
            assert models(server)["refused"] is None
        server.stop()
    assert "statistics_refused" in server.output


def test_statistics_of_another_version_do_not_hold_up_a_rollback(own: Shop) -> None:
    """`current` moves at once; until somebody counts for the new version, it ranks by its own statistics."""
    current = own.bundle / "current"
    first = current.read_text().strip()
    files = ("--purchases", own.file("purchases"), "--catalogue", own.file("catalogue"), "--until", EARLIER)
    place = ("--models", own.folder / "models", "--name", "small", "--signing-key", own.folder / "signing.key")
    here(training, "fit", *files, *place, "--level", "type", "--profile", "test")
    second = next(path.name for path in own.bundle.iterdir() if path.is_dir() and path.name != first)
    with Server(*options(own)) as server:
        current.write_text(second)
        until(lambda: "another bundle" in str(models(server)["refused"]))
        assert models(server)["serving"]["model_version"] == f"small/{second}"
        assert (models(server)["statistics_as_of"], models(server)["statistics_sha256"]) == (EARLIER.isoformat(), None)
        counted(own, EARLIER).rename(own.folder / "stats.parquet")
        until(lambda: models(server)["statistics_sha256"])
        assert models(server)["refused"] is None
    current.write_text(first)
    assert_clear_failure(run("serving", *options(own)), "stats.parquet", "another bundle")
