"""What is announced is what all workers serve: whoever joins them serves the same, or nothing; what fails is paced."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import waiting
from support.server import Server, workers_of
from support.shop import DRINKER, Shop, resigned

from recsys.errors import ContractError
from recsys.history import ItemIndex
from serving.clock import utc_clock
from serving.metrics import Metrics
from serving.settings import Settings, read_settings
from serving.standing import Standing
from serving.stores import Store, StoreError, open_store

pytestmark = pytest.mark.slow

until = functools.partial(waiting.until, seconds=120, pause=0.1)


@pytest.fixture
def own(shop: Shop, loaded: Path, tmp_path: Path) -> Shop:
    """A shop of its own, whose files can be changed."""
    shutil.copytree(shop.folder / "models", tmp_path / "models")
    for path in (shop.guards, shop.file("catalogue"), shop.file("offers"), shop.trust):
        shutil.copy(path, tmp_path)
    shutil.copy(loaded, tmp_path / "state.db")
    return Shop(tmp_path)


@pytest.fixture
def store(own: Shop) -> Iterator[Store]:
    with contextlib.closing(open_store(f"sqlite:///{own.folder / 'state.db'}")) as opened:
        yield opened


def settings_of(shop: Shop, bundle: Path | None = None) -> Settings:
    files = {name: shop.file(name) for name in ("catalogue", "offers")}
    state = f"sqlite:///{shop.folder / 'state.db'}"
    named = {"bundle": bundle or shop.bundle, "trust": shop.trust, "guards": shop.guards, "state": state}
    return read_settings(named | files, None)


def standing(store: Store, settings: Settings, *, joins: bool = False) -> Standing:
    return Standing(settings, store, utc_clock, Metrics(), joins=joins)


def another(shop: Shop) -> str:
    """Another policy in the place of the one that serves; what was there."""
    whole = shop.guards.read_text()
    shop.guards.write_text(whole.replace("min_days = 2", "min_days = 50"))
    return whole


def policies(server: Server) -> set[str]:
    """Of whoever takes a new connection."""
    return {httpx.get(f"{server.url}/health/ready", timeout=30).json()["policy_version"] for _ in range(12)}


def test_a_worker_that_takes_anothers_place_serves_what_the_others_serve_or_nothing(own: Shop) -> None:
    """A policy lies there that nobody was told to load. Then it is loaded, and the worker comes."""
    with Server(*own.serve_options(f"sqlite:///{own.folder / 'state.db'}"), "--workers", 2) as server:
        until(lambda: len(workers_of(server)) == 2)
        (before,), _ = policies(server), another(own)
        os.kill(min(workers_of(server)), signal.SIGKILL)
        until(lambda: "not those that were announced" in server.said)
        assert policies(server) == {before}
        response = httpx.post(f"{server.url}/v1/reload", headers=server.http.headers, timeout=30)
        assert response.status_code == httpx.codes.OK, response.text
        after = response.json()["policy_version"]
        until(lambda: served_by_each(server) == [after, after])
        assert after != before


@contextlib.contextmanager
def stopped(pids: set[int]) -> Iterator[None]:
    """Where they are, while the block lasts; `ProcessLookupError` where one has ended."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def served_by_each(server: Server) -> list[str]:
    """The policy of every worker, each asked while the others are stopped; nothing of one that does not answer yet."""
    found, workers = [], workers_of(server)
    for asked in workers:
        with contextlib.suppress(httpx.TimeoutException, ProcessLookupError), stopped(workers - {asked}):
            found.append(httpx.get(f"{server.url}/health/ready", timeout=2).json()["policy_version"])
    return found


def test_whoever_comes_first_announces_what_lies_there_and_whoever_joins_is_held_to_it(own: Shop, store: Store) -> None:
    settings = settings_of(own)
    first = standing(store, settings)
    told, records, announcements = store.announced(), store.audit.verify().records, store.changes().reloads
    assert told["policy_sha256"] == first.active.policy.sha256
    assert standing(store, settings, joins=True).active.policy.sha256 == first.active.policy.sha256
    assert standing(store, settings).active.policy.sha256 == first.active.policy.sha256
    assert store.announced() == told
    assert store.changes().reloads == announcements  # nothing is new
    assert store.audit.verify().records == records + 2  # and each that decides stands in the log
    another(own)
    with pytest.raises(ContractError, match="announced to all workers"):
        standing(store, settings, joins=True)
    anew = standing(store, settings)
    assert store.announced()["policy_sha256"] == anew.active.policy.sha256 != told["policy_sha256"]
    first.follow()
    assert first.active.policy.sha256 == anew.active.policy.sha256


def test_a_bundle_that_no_current_names_is_announced_too(shop: Shop, own: Shop, store: Store) -> None:
    """Another one in its very place. Where `current` names it, everybody follows by themselves."""
    current, newer = (own.bundle / "current").read_text().strip(), "20171127-another"
    resigned(shop, own.bundle / current, own.bundle / newer)
    place = own.folder / "pinned"
    shutil.copytree(own.bundle / current, place)
    settings = settings_of(own, place)
    first = standing(store, settings)
    shutil.rmtree(place)
    shutil.copytree(own.bundle / newer, place)
    with pytest.raises(ContractError, match="announced to all workers"):
        standing(store, settings, joins=True)
    assert first.active.model_version == f"small/{current}"
    first.reload()
    assert standing(store, settings, joins=True).active.model_version == f"small/{newer}"
    followed = settings_of(own)
    standing(store, followed)
    (own.bundle / "current").write_text(newer)
    assert standing(store, followed, joins=True).active.model_version == f"small/{newer}"


def test_a_reload_that_fails_costs_little_until_a_file_changes(own: Shop, store: Store) -> None:
    """What was announced lies there, and cannot be used: the key that is trusted is another one."""
    settings = settings_of(own)
    one, other = standing(store, settings), standing(store, settings)
    another(own)
    one.reload()
    key = own.trust.read_bytes()
    own.trust.write_bytes(own.guards.read_bytes())
    began = time.process_time()
    other.follow()
    assert other.refusal is not None
    once, began = time.process_time() - began, time.process_time()
    for _ in range(50):
        other.follow()
    assert time.process_time() - began < 10 * once
    own.trust.write_bytes(key)
    other.follow()  # at once
    assert other.refusal is None
    assert other.active.policy.sha256 == one.active.policy.sha256


def test_what_cannot_be_written_down_is_not_read_again_at_every_look(own: Shop, store: Store) -> None:
    """And whoever decides meanwhile reads people without asking the database for the items' names again."""
    settings = settings_of(own)
    one, other = standing(store, settings), standing(store, settings)
    another(own)
    one.reload()
    with contextlib.closing(sqlite3.connect(own.folder / "state.db", isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreError):
            other.follow()
        for _ in range(3):
            other.follow()  # its pause is not over: it waits for nothing
        assert time.monotonic() - began < 4
        raw.execute("ROLLBACK")
    time.sleep(1.1)
    other.follow()
    assert other.active.policy.sha256 == one.active.policy.sha256


def test_what_is_tried_takes_nothing_from_what_serves(own: Shop, store: Store) -> None:
    """Many reloads are read, and none is put in place. Then the items' names are out of reach."""
    settings = settings_of(own)
    serving = standing(store, settings)
    tried = [standing(store, settings).active.book.index for _ in range(5)]
    for index in tried:
        store.prepare(index)
    with contextlib.closing(sqlite3.connect(own.folder / "state.db", isolation_level=None)) as raw:
        raw.execute("ALTER TABLE items RENAME TO elsewhere")
        known = store.read([DRINKER], serving.active.book.index)
        with pytest.raises(StoreError):  # the control: what has to be learned cannot be
            store.prepare(ItemIndex.of(["milk-0"]))
        raw.execute("ALTER TABLE elsewhere RENAME TO items")
    assert len(known.histories.item)
