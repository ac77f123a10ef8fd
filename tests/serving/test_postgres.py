"""PostgreSQL: what is said when it does not answer, that nothing is half done, and that it recovers by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from support.lines import ANNA, BELA, NOW, event, load, people, record
from support.postgres import Postgres
from support.tokens import token
from support.told import settle, settling, told, yes

from recsys.contracts.preferences import PreferencesChange
from recsys.history import ItemIndex
from serving.stores import Recorded, Reported, Store, StoreError, UnclearError, create_store, open_store

pytestmark = pytest.mark.slow  # a real server

INDEX = ItemIndex.of(["beer", "milk"])
CUT_WHILE_CONCLUDED = """
CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION cut();
"""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of its own, to be stopped."""
    made = Postgres()
    yield made
    made.stop()


@pytest.fixture
def url(postgres: Postgres, empty_database: str) -> str:
    return postgres.copy(empty_database)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(create_store(url)) as made:
        load(made, people([(ANNA, "beer", 0, 2)]))
        yield made


def test_what_fails_in_a_row_of_statements_is_told_as_it_is_and_leaves_nothing(store: Store, url: str) -> None:
    """The first of them waits for a lock, the last but one breaks a constraint; others were sent behind them."""
    with closing(psycopg.connect(url, autocommit=True)) as other, other.transaction():
        other.execute("LOCK TABLE activity")
        with pytest.raises(StoreError, match=r"was too slow|is locked"):
            store.settle([settling("d1", "o1")], now=NOW, patience=0.3)
    with closing(psycopg.connect(url, autocommit=True)) as other:
        other.execute("ALTER TABLE audit_chain ADD CONSTRAINT few CHECK (sequence < 2)")
        with pytest.raises(psycopg.errors.CheckViolation):
            settle(store, settling("d1", "o1"))
        other.execute("ALTER TABLE audit_chain DROP CONSTRAINT few")
    assert store.read([ANNA], INDEX).states[0].reservations == ()
    assert settle(store, settling("d1", "o1"))[0].written
    assert len(store.read([ANNA], INDEX).states[0].reservations) == 1
    assert store.audit.verify().faults == ()


def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    for open_it in (open_store, create_store):
        with pytest.raises(StoreError, match="PostgreSQL does not answer") as caught:
            open_it("postgresql://somebody:hunter2@127.0.0.1:1/state")
        assert "hunter2" not in str(caught.value)


def test_a_database_that_is_not_there_or_was_never_loaded(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match="PostgreSQL"):
        open_store(postgres.url("nowhere"))
    with pytest.raises(StoreError, match="Load first"):
        open_store(postgres.database())


def cut(postgres: Postgres, url: str, *, but: int = 0) -> None:
    """End every connection to the database, but the one of a server process."""
    name = url.partition("?")[0].rpartition("/")[2]
    theirs = f"FROM pg_stat_activity WHERE datname = '{name}' AND pid <> {but}"
    postgres.execute(f"SELECT pg_terminate_backend(pid) {theirs}")


def test_connections_that_were_cut_are_made_anew(store: Store, url: str, postgres: Postgres) -> None:
    for number in range(3):
        store.read([ANNA], INDEX)
        store.record([told(f"before {number}", "click")], now=NOW)
        cut(postgres, url)
        assert len(store.read([ANNA], INDEX).histories.item) == 1
        cut(postgres, url)
        assert store.record([told(f"after {number}", "click")], now=NOW) == Recorded(1, 0)
        cut(postgres, url)
        assert store.changes().lineages > 0
        store.check()


def test_who_waits_too_long_for_a_lock_is_told(store: Store, url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE events")
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"locked by another process|too slow"):
            record(store, event(1, (ANNA, "milk", 1, 1)))
        assert time.monotonic() - began < 4
        assert len(store.read([ANNA], INDEX).histories.item) == 1  # decisions go on
    assert record(store, event(1, (ANNA, "milk", 1, 1))) == Recorded(1, 0)


def test_a_transaction_that_is_cut_leaves_nothing(store: Store, url: str, postgres: Postgres) -> None:
    """The connection ends while the events wait for the audit log's or the items' lock, halfway through."""
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(1919247219, -2)")
        failed: list[Exception] = []

        def work() -> None:
            try:
                record(store, event(1, (ANNA, "something new", 1, 1)))
            except StoreError as error:
                failed.append(error)

        writer = threading.Thread(target=work)
        writer.start()
        time.sleep(1)
        cut(postgres, url, but=other.info.backend_pid)
        writer.join(10)
    assert len(failed) == 1
    assert store.access(ANNA).events == ()
    assert record(store, event(1, (ANNA, "something new", 1, 1))) == Recorded(1, 0)


def test_of_a_write_that_is_cut_while_it_is_concluded_nobody_claims_to_know(store: Store, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(CUT_WHILE_CONCLUDED)
        with pytest.raises(UnclearError, match="was lost while it wrote"):
            store.record([told(1, "dismissal")], now=NOW)
        other.execute("DROP TRIGGER cut ON events")
    assert store.record([told(1, "dismissal")], now=NOW).accepted == 1


def test_no_reader_waits_for_longer_than_two_seconds(store: Store, url: str) -> None:
    """More of them than there are connections: nobody waits for the patience of those before."""

    def timed(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(StoreError):
            (store.preferences if number % 2 else store.access)(ANNA)
        return time.monotonic() - began

    with psycopg.connect(url) as other, ThreadPoolExecutor(24) as pool:
        other.execute("LOCK TABLE activity")
        assert max(pool.map(timed, range(24))) < 3.5
    assert store.access(ANNA).held


def test_writers_about_different_people_never_wait_in_a_circle(store: Store) -> None:
    """Each of the three writes into the log or numbers an item, which all have in common; none may give up."""

    def change(number: int) -> None:
        store.change_preferences(token(f"c{number}"), PreferencesChange(consents={"training": yes()}), now=NOW)

    def erase(number: int) -> None:
        store.erase([token(f"e{number}")], order_id=f"{number:032x}", now=NOW)

    def report(number: int) -> None:
        who = token(f"r{number}")
        bought = Reported(event(number, (who, f"new {number}", 1, 1)))
        store.record([bought, told(number, "dismissal", subject=who)], now=NOW)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(work, number) for number in range(30) for work in (change, erase, report)]
    assert [job.exception() for job in jobs] == [None] * 90


def test_a_server_that_stops_and_comes_back(server: Postgres) -> None:
    with closing(create_store(server.database())) as store:
        load(store, people([(ANNA, "beer", 0, 2), (BELA, "milk", 0, 1)]))
        settle(store, settling("d1", "o1"))
        server.pause()
        for ask in (
            lambda: store.read([ANNA], INDEX),
            lambda: store.record([told(1, "click")], now=NOW),
            lambda: settle(store, settling("d2")),
            store.changes,
            store.check,
            store.lineages,
        ):
            with pytest.raises(StoreError, match="PostgreSQL"):
                ask()
        server.go_on()
        store.check()
        assert store.read([ANNA, BELA], INDEX).histories.item.tolist() == [0, 1]
        assert settle(store, settling("d2"))[0].written
        assert store.audit.verify().faults == ()
