"""Changing what decides while it decides: nothing is dropped, nothing half-changed, and what is bad is refused."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.server import Server, problem
from support.shop import ABSTAINER, DRINKER, Shop
from support.tokens import token
from support.waiting import until

from serving.stores import open_store

pytestmark = pytest.mark.slow


class Bench:
    """A shop of its own whose files can be changed, with two versions of its bundle."""

    def __init__(self, shop: Shop, loaded: Path, folder: Path) -> None:
        shutil.copytree(shop.folder / "models", folder / "models")
        for name in ("guards.toml", "catalogue.parquet", "offers.parquet", "signing.key.pub"):
            shutil.copy(shop.folder / name, folder)
        shutil.copy(loaded, folder / "state.db")
        self.shop = Shop(folder)
        self.current = folder / "models" / "small" / "current"
        self.first = self.current.read_text().strip()
        self.second = "20171127-second"
        shutil.copytree(self.current.parent / self.first, self.current.parent / self.second)
        self.options = self.shop.serve_options(f"sqlite:///{folder / 'state.db'}")


@pytest.fixture
def bench(shop: Shop, loaded: Path, tmp_path: Path) -> Bench:
    return Bench(shop, loaded, tmp_path)


@contextlib.contextmanager
def busy(server: Server) -> Iterator[list[httpx.Response]]:
    """Asks without a pause while the block lasts; the answers are in the list."""
    stop, answers = threading.Event(), []

    def ask() -> None:
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=30) as client:
            while not stop.is_set():
                answers.append(client.post("/v1/decisions", json={"subject": DRINKER, "channel": "email"}))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def ready(server: Server) -> dict[str, Any]:
    return dict(server.http.get("/health/ready").json())


def test_current_is_followed_and_no_request_is_dropped(bench: Bench) -> None:
    """The second version is a copy of the first one."""
    with Server(*bench.options) as server, busy(server) as answers:
        models = server.http.get("/v1/models").json()
        bench.current.write_text(bench.second)
        until(lambda: server.http.get("/v1/models").json()["loaded_at"] != models["loaded_at"])
        bench.current.write_text("no-such-version")
        until(lambda: ready(server)["refused"])
        bench.current.write_text(bench.first)
        until(lambda: not ready(server)["refused"])
        until(lambda: len(answers) > 50)
        assert {answer.status_code for answer in answers} == {200}
        assert 'recsys_reloads_total{outcome="refused"} 1.0' in server.http.get("/metrics").text


def test_a_bundle_that_was_touched_is_refused_and_the_old_one_serves_on(bench: Bench) -> None:
    model = bench.current.parent / bench.second / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with Server(*bench.options) as server:
        before = server.ask(DRINKER)
        bench.current.write_text(bench.second)
        until(lambda: ready(server)["refused"])
        assert "changed after it was signed" in ready(server)["refused"]
        until(lambda: "recsys_refused 1.0" in server.http.get("/metrics").text)  # what the alert asks for
        assert server.ask(DRINKER)["items"] == before["items"]
        document = problem(server.http.post("/v1/reload"), 409)
        assert document["type"] == "urn:recsys:problem:reload-refused"
        assert str(bench.shop.folder) not in str(document)
        server.stop()
    assert "activation_refused" in server.output


def test_what_is_half_written_is_refused_until_it_is_whole(bench: Bench) -> None:
    """Each file of a bundle, the policy, offers and catalogue: cut in the middle, and then written to the end."""
    second = bench.current.parent / bench.second
    beside = (bench.shop.guards, bench.shop.file("offers"), bench.shop.file("catalogue"))
    with Server(*bench.options) as server:
        bench.current.write_text(bench.second)
        before = server.ask(DRINKER, count=20)
        for path in (*second.iterdir(), *beside):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            problem(server.http.post("/v1/reload"), 409)
            assert ready(server)["refused"], path.name
            assert server.ask(DRINKER, count=20)["items"] == before["items"]
            path.write_bytes(whole)
        assert server.http.post("/v1/reload").status_code == httpx.codes.OK
        assert ready(server)["refused"] is None
        assert server.ask(DRINKER, count=20)["items"] == before["items"]


def test_policy_offers_and_catalogue_are_taken_together_or_not_at_all(bench: Bench) -> None:
    offers, guards = bench.shop.file("offers"), bench.shop.guards
    everything, strict = pl.read_parquet(offers), guards.read_text().replace("min_days = 2", "min_days = 50")
    with Server(*bench.options) as server:
        before = ready(server)
        everything.filter(pl.col("offer_id") != "offer-milk-1").write_parquet(offers)
        guards.write_text(strict.replace("never", "nevr", 1))
        assert problem(server.http.post("/v1/reload"), 409)
        assert ready(server) | {"now": 0, "refused": 0} == before | {"now": 0, "refused": 0}
        guards.write_text(strict)
        reloaded = server.http.post("/v1/reload")
        assert reloaded.status_code == 200, reloaded.text
        assert reloaded.json()["offers_sha256"] == hashlib.sha256(offers.read_bytes()).hexdigest()
        after = ready(server)
        assert (after["offers"], after["refused"]) == (before["offers"] - 1, None)
        assert after["policy_version"] != before["policy_version"]
        decision = server.ask(DRINKER, count=20)
        assert decision["policy_version"] == after["policy_version"]
        assert not {"offer-wine-1", "offer-milk-1"} & {item["offer_id"] for item in decision["items"]}
        gone = {"event_id": "late.1", "type": "exposure", "subject": DRINKER, "at": "2017-11-27T09:00:00Z"}
        assert server.tell({**gone, "offer_id": "offer-milk-1", "channel": "email"})["accepted"] == 1


def test_whoever_has_an_arm_keeps_it_under_another_salt(bench: Bench) -> None:
    """Everybody was asked once; then salt and shares change. Only who comes later falls under the new ones."""
    guards, plain = bench.shop.guards, bench.shop.guards.read_text()
    holdout = '\n[holdout]\nsalt = "{}"\nempty = {}\npopular = {}\n'
    guards.write_text(plain + holdout.format("the first salt", 0.3, 0.3))
    early, late = [token(number) for number in range(40)], [token(number) for number in range(40, 80)]
    with Server(*bench.options) as server:

        def arms(people: list[str]) -> list[str]:
            body = [{"subject": subject, "channel": "email"} for subject in people]
            return [decision["arm"] for decision in server.http.post("/v1/decisions", json=body).json()]

        before = arms(early)
        assert set(before) == {"empty", "popular", "personal"}
        guards.write_text(plain + holdout.format("another salt", 1.0, 0.0))
        assert server.http.post("/v1/reload").status_code == httpx.codes.OK
        assert arms(early) == before
        assert set(arms(late)) == {"empty"}


def test_a_reload_reaches_every_worker(bench: Bench) -> None:
    strict = bench.shop.guards.read_text().replace("min_days = 2", "min_days = 50")
    with Server(*bench.options, "--workers", 2) as server:
        bench.shop.guards.write_text(strict)
        version = server.http.post("/v1/reload").json()["policy_version"]

        def all_follow() -> bool:
            answers = [httpx.get(f"{server.url}/health/ready").json() for _ in range(12)]
            return {answer["policy_version"] for answer in answers} == {version}

        until(all_follow)


def versions(server: Server) -> set[str]:
    """The policies that the workers decide by: asked on new connections, which any of them may take."""
    headers = server.http.headers
    answers = [httpx.get(f"{server.url}/v1/models", headers=headers, timeout=30) for _ in range(16)]
    return {answer.json()["policy_version"] for answer in answers}


def written(server: Server) -> int:
    with contextlib.closing(open_store(server.state)) as store:
        return store.audit.verify().records


def test_a_reload_is_written_down_before_it_decides_and_every_worker_comes_to_it(bench: Bench) -> None:
    """Nothing can be written: nothing changes. Then the file is bad for a while, before the other worker read it."""
    whole, guards = bench.shop.guards.read_text(), bench.shop.guards
    strict = whole.replace("min_days = 2", "min_days = 50")
    path = bench.shop.folder / "state.db"
    with Server(*bench.options, "--workers", 2) as server:
        (before,), records = versions(server), written(server)
        guards.write_text(strict)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            problem(server.http.post("/v1/reload"), 503)
        time.sleep(1.5)
        assert versions(server) == {before}
        assert written(server) == records
        after = server.http.post("/v1/reload").json()["policy_version"]
        guards.write_text(strict[: len(strict) // 2])
        time.sleep(2.5)
        guards.write_text(strict)
        until(lambda: versions(server) == {after})
        assert after != before
        until(lambda: written(server) == records + 2)  # one for each worker


def test_a_pinned_policy_is_the_only_one(bench: Bench, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text(f'policy_sha256 = "{hashlib.sha256(bench.shop.guards.read_bytes()).hexdigest()}"\n')
    with Server(*bench.options, "--config", config) as server:
        whole = bench.shop.guards.read_text()
        bench.shop.guards.write_text(whole.partition("[[only_if_purchased]]")[0])  # cut off where no reader can tell
        assert "pinned" in str(problem(server.http.post("/v1/reload"), 409)["detail"])
        assert server.ask(DRINKER)["fill"] == "personal"
    assert_clear_failure(run("serving", *bench.options, "--config", config), "SHA-256 is pinned")


def test_the_shadow_is_compared_and_never_shown(bench: Bench) -> None:
    shadow = bench.current.parent / bench.second
    with Server(*bench.options, "--shadow", shadow) as server:
        decisions = [server.ask(subject) for subject, _ in itertools.product((DRINKER, ABSTAINER), range(5))]
        assert {decision["model_version"] for decision in decisions} == {ready(server)["model_version"]}
        until(lambda: "recsys_shadow_overlap_count 10.0" in server.http.get("/metrics").text)
        assert "recsys_shadow_overlap_sum 10.0" in server.http.get("/metrics").text  # the same bundle: the same lists
        assert server.http.get("/v1/models").json()["shadow"]["model_version"]
