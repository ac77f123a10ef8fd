"""How every store loads: readers see all of it or nothing, and what was interrupted goes on."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Connection
from support.lines import ANNA, BELA, CARA, DAY, NOW, event, load, people, record, silent
from support.tokens import token

from recsys.contracts.token import Lineage
from recsys.errors import TokenError
from recsys.history import ItemIndex
from serving.stores import PATIENCE, People, Store, open_store
from serving.stores.bulk import BATCH, DAYS_AT_ONCE, subject_rows
from serving.stores.database import Database
from serving.stores.postgres import PostgresDatabase
from serving.stores.sqlite import SqliteDatabase

INDEX = ItemIndex.of(["beer", "milk", "wine"])


def crowd(fingerprint: str, *, item: str = "milk") -> People:
    """Two batches and Anna."""
    lines = [(token(number), item, 0, 1.0) for number in range(2 * BATCH)]
    return dataclasses.replace(people([*lines, (ANNA, item, 0, 1)]), fingerprint=fingerprint)


class Stop(Exception):  # noqa: N818 - not an error
    """Somebody pulls the plug."""


def interrupted(store: Store, who: People) -> None:
    """A load that ends after its first batch."""

    def pull(_: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        store.load(who, now=NOW, progress=pull)


def bought(store: Store, *names: str) -> list[int]:
    return [len(store.read([name], INDEX).histories.item) for name in names]


@pytest.mark.slow
def test_an_interrupted_load_goes_on_where_it_was(store: Store, url: str) -> None:
    load(store, people([(BELA, "beer", 0, 1)]))
    interrupted(store, crowd("a"))
    assert bought(store, BELA, ANNA, token(0)) == [1, 0, 0]  # nothing of it is seen
    with_events = record(store, event(1, (ANNA, "wine", 5, 1)))
    assert with_events.accepted == 1
    gone = min(token(number) for number in range(2 * BATCH))  # stands in the first batch
    store.erase([gone], order_id="0" * 32, now=NOW)
    told: list[int] = []
    other = open_store(url)
    assert other.load(crowd("a"), now=NOW, progress=told.append) == 0
    assert sum(told) == 2 * BATCH + 1
    assert bought(store, BELA, ANNA, gone) == [0, 2, 0]
    assert sum(len(part) for part in store.exports.purchases()) == 2 * BATCH + 1  # less the erased, more the event
    other.close()


@pytest.mark.slow
def test_another_load_does_not_go_on_with_what_is_there(store: Store) -> None:
    load(store, people([(BELA, "beer", 0, 1)]))
    interrupted(store, crowd("a"))
    store.load(crowd("b", item="wine"), now=NOW, progress=silent)
    known = store.read([token(0), ANNA], INDEX).histories
    assert known.item.tolist() == [2, 2]
    written = [name for part in store.exports.purchases() for name in part["subject"]]
    assert len(written) == len(set(written)) == 2 * BATCH + 1


def test_two_epochs_are_loaded_side_by_side(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 1)]))
    new = ANNA.replace(".01.", ".02.")
    load(store, people([(new, "wine", 0, 1)], {new: ["profiling"]}, epoch="02"))
    load(store, people([(BELA, "beer", 0, 1)]))
    assert bought(store, ANNA, BELA, new) == [0, 1, 1]
    assert store.lineages() == {Lineage("rec", "01"), Lineage("rec", "02")}


def test_another_domain_is_refused(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 1)]))
    other = token("x", domain="partner")
    who = dataclasses.replace(people([(other, "beer", 0, 1)], {other: []}), lineage=Lineage("partner", "01"))
    with pytest.raises(TokenError, match="domain 'rec'"):
        load(store, who)
    assert bought(store, ANNA) == [1]


def test_workers_hear_of_a_load(store: Store) -> None:
    before = store.changes().lineages
    load(store, people([(ANNA, "beer", 0, 1)]))
    assert store.changes().lineages == before + 1
    assert bought(store, CARA) == [0]


def test_workers_hear_of_a_reload_and_what_of_and_it_stands_in_the_log(store: Store) -> None:
    assert store.announced() == {}
    for number, policy in enumerate(("a" * 64, "b" * 64), 1):
        assert store.announce_reload({"policy_sha256": policy}, now=NOW) == number == store.changes().reloads
        assert store.announced() == {"policy_sha256": policy}
    assert store.audit.verify().records == 2


@pytest.mark.slow
def test_a_load_waits_longer_for_others_than_a_request_would(store: Store, url: str) -> None:
    locked, over = threading.Event(), threading.Event()
    other = threading.Thread(target=hold, args=(url, locked, over))
    other.start()
    locked.wait()
    threading.Timer(PATIENCE + 1.5, over.set).start()
    load(store, people([(ANNA, "beer", 0, 1)]))
    assert over.is_set()
    assert bought(store, ANNA) == [1]
    other.join()


def hold(url: str, locked: threading.Event, over: threading.Event) -> None:
    """Keep everybody else from writing until it is over."""
    file = url.removeprefix("sqlite:///")
    database: Database = PostgresDatabase(url) if file == url else SqliteDatabase(Path(file))

    def work(connection: Connection) -> None:
        database.lock_all(connection)
        locked.set()
        over.wait()

    database.write_alone(work)
    database.close()


def test_long_histories_are_written_in_more_parts() -> None:
    days = DAYS_AT_ONCE // 2
    lines = pl.DataFrame({"subject": [ANNA, BELA, CARA]}).select(
        pl.col("subject").repeat_by(days).explode(),
        item=pl.lit("milk"),
        day=pl.lit(DAY),
        quantity=1.0,
        baskets=pl.lit(1, pl.Int64),
    )
    who = dataclasses.replace(people([]), daily=lines)
    assert [len(batch) for batch in subject_rows(who, {"milk": 0})] == [1, 2]
