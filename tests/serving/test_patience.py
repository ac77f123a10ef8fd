"""One request waits for the store once, however much it asks of it; a database that stands still is not waited for."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.lines import ANNA, NOW, load, people
from support.postgres import Postgres
from support.told import settle, settling, told

from recsys.history import ItemIndex
from serving.stores import (
    LEAST,
    PATIENCE,
    Claim,
    Store,
    StoreError,
    UnclearError,
    create_store,
    of_one_request,
    open_store,
    waiting,
)

INDEX = ItemIndex.of(["beer"])
SLACK = 1.5  # seconds, for a machine that does other things too
GRACE = 0.5  # seconds that the driver gives a server which is only slow
KEY = bytes(range(32))
SLOW_WHILE_CONCLUDED = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION slow();
"""


def test_calls_of_one_request_share_its_patience() -> None:
    with of_one_request():
        with waiting() as first:
            time.sleep(0.05)
        with waiting() as second:
            assert second - time.monotonic() < PATIENCE - 0.04
        with waiting(0.5) as third:
            assert third - time.monotonic() <= 0.5
    with waiting() as alone:
        assert alone - time.monotonic() > PATIENCE - 0.04
    assert first < alone


def test_what_is_spent_elsewhere_does_not_count_and_threads_that_it_waits_for_are_the_requests_own() -> None:
    def spend() -> None:
        with waiting():
            time.sleep(0.05)

    async def ask() -> None:
        with of_one_request():
            await asyncio.sleep(0.05)
            with waiting() as before:
                assert before - time.monotonic() > PATIENCE - 0.04
            await asyncio.to_thread(spend)
            with waiting() as after:
                assert after - time.monotonic() < PATIENCE - 0.04

    asyncio.run(ask())


@pytest.mark.slow  # it waits
def test_what_a_request_asks_of_a_locked_state_is_refused_in_time_all_together(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with contextlib.closing(create_store(f"sqlite:///{path}")) as store:
        load(store, people([(ANNA, "beer", 0, 2)]))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert PATIENCE - 0.1 < _asked(store) < PATIENCE + 3 * LEAST + SLACK


def _asked(store: Store) -> float:
    """How long four calls of one request take, each of which is refused."""
    began = time.monotonic()
    with of_one_request():
        for call in (
            lambda: store.idempotency.begin(KEY, KEY, now=NOW),
            lambda: store.settle([settling(1, "o1")], now=NOW),
            lambda: store.record([told("e1", "exposure")], now=NOW),
            lambda: store.idempotency.abandon(KEY),
        ):
            with pytest.raises(StoreError):
                call()
    return time.monotonic() - began


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of its own, to be frozen."""
    made = Postgres()
    yield made
    made.stop()


@pytest.mark.slow  # a real server, which stands still for some seconds
def test_a_postgresql_that_stands_still_is_refused_in_time_and_found_again(server: Postgres) -> None:
    """Reads, writes and those who wait for a connection; over connections that were used and over new ones."""
    url = server.database()
    with contextlib.closing(create_store(url)) as store:
        load(store, people([(ANNA, "beer", 0, 2)]))
        assert settle(store, settling(1, "o1"))[0].written
        store.check()
        with server.frozen():
            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(lambda number: _refused(store, number), range(16)))
            assert max(answers) < PATIENCE + GRACE + SLACK, answers
            assert _asked(store) < PATIENCE + GRACE + SLACK
            began = time.monotonic()
            with pytest.raises(StoreError, match="does not answer"):
                open_store(url)
            assert time.monotonic() - began < 2 * PATIENCE + GRACE + SLACK
        store.check()
        assert store.read([ANNA], INDEX).histories.item.size
        assert store.decision("2") is None
        assert settle(store, settling(2, "o1"))[0].written
        assert store.idempotency.begin(KEY, KEY, now=NOW) is Claim.NEW
        assert store.audit.verify().faults == ()


def _refused(store: Store, number: int) -> float:
    began = time.monotonic()
    calls = (
        lambda: store.settle([settling(2, "o1")], now=NOW),
        lambda: store.read([ANNA], INDEX),
        lambda: store.preferences(ANNA),
        store.check,
    )
    with pytest.raises(StoreError, match=r"does not answer|too busy"):
        calls[number % len(calls)]()
    return time.monotonic() - began


@pytest.mark.slow  # as above
def test_of_a_write_that_was_being_concluded_when_postgresql_stood_still_nobody_claims_to_know(
    server: Postgres,
) -> None:
    url = server.database()
    with contextlib.closing(create_store(url)) as store, contextlib.ExitStack() as stack:
        load(store, people([(ANNA, "beer", 0, 2)]))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(SLOW_WHILE_CONCLUDED)
        freeze = threading.Timer(0.5, lambda: stack.enter_context(server.frozen()))
        freeze.start()
        with pytest.raises(UnclearError):
            store.record([told("e1", "exposure")], now=NOW)
        freeze.join()
        stack.close()
        assert store.record([told("e1", "exposure")], now=NOW).accepted in {0, 1}
        assert [held.event.event_id for held in store.access(ANNA).events] == ["e1"]
