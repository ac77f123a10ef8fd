"""A trial of another bundle in the service: who is decided for by which, for ever; what is bad is refused."""

from __future__ import annotations

import functools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from support import waiting
from support.commands import assert_clear_failure, run
from support.server import Server, problem
from support.shop import NOW, Shop, challenge
from support.tokens import token

pytestmark = pytest.mark.slow

until = functools.partial(waiting.until, seconds=60)

TRIAL = '\n[trial]\nsalt = "{}"\nchallenger = {}\n'
PEOPLE = [token(number) for number in range(80)]
BUNDLE_OF = {"personal": "small", "challenger": "challenger"}


@dataclass(frozen=True)
class Bench:
    """A shop of its own with two bundles, whose files can be changed."""

    shop: Shop
    plain: str
    state: str

    @property
    def challenger(self) -> Path:
        return self.shop.bundle.with_name("challenger")

    @property
    def options(self) -> list[object]:
        return [*self.shop.serve_options(self.state), "--challenger", self.challenger]

    def policy(self, more: str = "") -> None:
        self.shop.guards.write_text(self.plain + more)


@pytest.fixture
def bench(shop: Shop, loaded: Path, tmp_path: Path) -> Bench:
    challenge(shop)
    shutil.copytree(shop.folder / "models", tmp_path / "models")
    for name in ("guards.toml", "catalogue.parquet", "offers.parquet", "signing.key.pub"):
        shutil.copy(shop.folder / name, tmp_path)
    shutil.copy(loaded, tmp_path / "state.db")
    return Bench(Shop(tmp_path), shop.guards.read_text(), f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def server(bench: Bench) -> Iterator[Server]:
    bench.policy(TRIAL.format("the first salt", 0.5))
    with Server(*bench.options) as running:
        yield running


def asked(server: Server, people: list[str]) -> list[dict[str, Any]]:
    body = [{"subject": subject, "channel": "email", "count": 3} for subject in people]
    response = server.http.post("/v1/decisions", json=body)
    assert response.status_code == httpx.codes.OK, response.text
    return list(response.json())


def arms(server: Server, people: list[str]) -> list[str]:
    return [decision["arm"] for decision in asked(server, people)]


def refused(server: Server) -> str | None:
    said: str | None = server.http.get("/health/ready").json()["refused"]
    return said


def test_each_decision_names_its_arm_and_bundle_and_the_logs_tell_the_trial(
    server: Server, bench: Bench, tmp_path: Path
) -> None:
    """From lots to the uplift's page, by the real commands."""
    made = asked(server, PEOPLE)
    counts = Counter(decision["arm"] for decision in made)
    assert counts.keys() == {"personal", "challenger"}
    assert min(counts.values()) > 20
    for decision in made:
        assert decision["model_version"].partition("/")[0] == BUNDLE_OF[decision["arm"]]
    assert asked(server, PEOPLE[:1])[0]["arm"] == made[0]["arm"]
    why = server.http.get(f"/v1/decisions/{made[0]['decision_id']}", params={"offer": "offer-milk-1"}).json()
    assert (why["decision"]["arm"], why["other"]["exact"]) == (made[0]["arm"], True)
    assert len(why["details"]["trial"]) == 8
    told = server.http.get("/v1/models").json()
    assert told["challenger"]["model_version"].startswith("challenger/")
    assert told["challenger"]["level"] == "item"
    bought = [
        {
            "event_id": f"t.{n}",
            "type": "purchase",
            "subject": one["subject"],
            "at": NOW,
            "item": "milk-1",
            "quantity": 1,
        }
        for n, one in enumerate(made)
        if one["arm"] == "challenger" or n % 4 == 0
    ]
    server.tell(*({**event, "at": "2017-11-27T09:03:00Z"} for event in bought))
    decisions, events, out = (tmp_path / name for name in ("decisions.parquet", "events.parquet", "uplift"))
    for arguments in (
        ("serving", "audit", "export", "--state", bench.state, "--out", decisions),
        ("serving", "export", "events", "--state", bench.state, "--out", events),
        ("recsys", "uplift", "--decisions", decisions, "--events", events, "--out", out),
    ):
        done = run(*map(str, arguments))
        assert done.returncode == 0, done.stderr
    logged = pl.read_parquet(decisions)
    assert logged["trial"].n_unique() == 1
    assert logged["arm_share"].unique().to_list() == [0.5]
    result = json.loads((out / "uplift.json").read_text())
    assert result["trial"] == why["details"]["trial"]
    assert {arm: names[0].partition("/")[0] for arm, names in result["bundles"].items()} == BUNDLE_OF
    [found] = [one for one in result["uplifts"] if (one["against"], one["metric"]) == ("personal", "purchases")]
    assert found["estimate"]["low"] > 0
    assert "Is the other bundle better?" in (out / "uplift.html").read_text()


def test_whoever_was_drawn_stays_while_the_trial_lasts_and_another_trial_draws_anew(
    server: Server, bench: Bench
) -> None:
    before = arms(server, PEOPLE)
    bench.policy()
    assert server.http.post("/v1/reload").status_code == httpx.codes.OK
    assert set(arms(server, PEOPLE)) == {"personal"}
    bench.policy(TRIAL.format("the first salt", 0.5))
    assert server.http.post("/v1/reload").status_code == httpx.codes.OK
    assert arms(server, PEOPLE) == before
    bench.policy(TRIAL.format("another salt", 0.5))
    assert server.http.post("/v1/reload").status_code == httpx.codes.OK
    assert 20 < sum(one != other for one, other in zip(arms(server, PEOPLE), before, strict=True)) < 60


def test_a_bad_challenger_is_refused_and_both_serve_on(server: Server, bench: Bench) -> None:
    before = asked(server, PEOPLE)
    current = bench.challenger / "current"
    good = current.read_text().strip()
    shutil.copytree(bench.challenger / good, bench.challenger / "20171127-touched")
    model = bench.challenger / "20171127-touched" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    current.write_text("20171127-touched")
    until(lambda: refused(server))
    assert "changed after it was signed" in str(refused(server))
    assert problem(server.http.post("/v1/reload"), 409)
    again = asked(server, PEOPLE)
    assert [one["items"] for one in again] == [one["items"] for one in before]
    small = bench.shop.bundle / "current"
    version = small.read_text().strip()
    shutil.copytree(bench.shop.bundle / version, bench.shop.bundle / "20171127-copy")
    loaded_at = server.http.get("/v1/models").json()["loaded_at"]
    small.write_text("20171127-copy")  # the other bundle is followed all the same
    until(lambda: server.http.get("/v1/models").json()["loaded_at"] != loaded_at)
    assert "changed after it was signed" in str(refused(server))  # and what is still refused is still told
    small.write_text(version)
    current.write_text(good)
    assert server.http.post("/v1/reload").status_code == httpx.codes.OK
    assert refused(server) is None


def test_a_trial_without_a_challenger_is_refused(bench: Bench) -> None:
    with Server(*bench.options[:-2]) as server:
        before = arms(server, PEOPLE)
        bench.policy(TRIAL.format("the first salt", 0.5))
        assert "no other bundle is named" in str(problem(server.http.post("/v1/reload"), 409)["detail"])
        assert arms(server, PEOPLE) == before == ["personal"] * len(PEOPLE)
    assert_clear_failure(run("serving", *bench.options[:-2]), "no other bundle is named", "--challenger")
    bench.policy()
    shutil.rmtree(bench.challenger)
    assert_clear_failure(run("serving", *bench.options), "challenger")
