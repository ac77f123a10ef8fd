"""Stores that an older program wrote: they are brought to this one's tables, with all that stands in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from support.lines import ANNA, BELA, NOW, event, record
from support.postgres import Postgres

from recsys.contracts.state import EMPTY_STATE, State
from recsys.contracts.token import Lineage
from recsys.history import ItemIndex
from serving.stores import Recorded, StoreError, create_store, open_store
from serving.stores import schema as tables
from serving.stores.packed import ROW

INDEX = ItemIndex.of(["beer", "milk"])

# As the first program made it: SQLite's own words, taken from a file of its.
FIRST = """
CREATE TABLE meta ("key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE lineages (domain TEXT NOT NULL, epoch TEXT NOT NULL, PRIMARY KEY (domain, epoch));
CREATE TABLE items (code INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (code), UNIQUE (name));
CREATE TABLE subjects (subject TEXT NOT NULL, consents TEXT NOT NULL, adult BOOLEAN, interests TEXT NOT NULL,
    store TEXT, region TEXT, history {bytes} NOT NULL, PRIMARY KEY (subject));
CREATE TABLE events (event_id TEXT NOT NULL, subject TEXT NOT NULL, PRIMARY KEY (event_id)){without_rowid};
CREATE INDEX ix_events_subject ON events (subject);
INSERT INTO meta VALUES ('schema_version', '1');
INSERT INTO lineages VALUES ('rec', '01');
INSERT INTO items VALUES (0, 'beer'), (1, 'milk');
"""


def fill(connection: Connection) -> None:
    """Anna, with a consent, an attribute and two purchases; Bela by an event."""
    history = np.array([(17_000, 0, 2.0, 1), (17_001, 1, 1.0, 1)], ROW).tobytes()
    row = {"s": ANNA, "c": '["profiling"]', "a": True, "i": '["wine"]', "t": "17", "h": history}
    connection.execute(text("INSERT INTO subjects VALUES (:s, :c, :a, :i, :t, NULL, :h)"), row)
    empty = {"s": BELA, "c": "[]", "a": None, "i": "[]", "t": None, "h": history[: ROW.itemsize]}
    connection.execute(text("INSERT INTO subjects VALUES (:s, :c, :a, :i, :t, NULL, :h)"), empty)
    connection.execute(text("INSERT INTO events VALUES ('e1', :s)"), {"s": BELA})


def engine_of(url: str) -> Engine:
    named = make_url(url)
    return create_engine(named if named.drivername == "sqlite" else named.set(drivername="postgresql+psycopg"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of version 1 with people in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'first.db'}"
        script = FIRST.format(bytes="BLOB", without_rowid=" WITHOUT ROWID")
        with closing(sqlite3.connect(tmp_path / "first.db")) as raw:
            raw.execute(f"PRAGMA application_id = {0x72656373}")
            raw.execute("PRAGMA journal_mode = WAL")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url, script = server.database(), FIRST.format(bytes="BYTEA", without_rowid="")
    engine = engine_of(url)
    with engine.begin() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.execute(text(statement))
        fill(connection)
    engine.dispose()
    return url


@pytest.mark.parametrize("open_it", [open_store, create_store])
def test_a_store_of_version_1_is_brought_to_this_one(open_it: Callable[[str], object], first: str) -> None:
    for _ in range(2):  # and again, when there is nothing to do
        with closing(open_store(first) if open_it is open_store else create_store(first)) as store:
            store.check()
            known = store.read([ANNA, BELA], INDEX)
            anna = State(consents=frozenset({"profiling"}), adult=True, interests=("wine",), store="17")
            assert known.states == (anna, EMPTY_STATE)
            assert known.histories.item.tolist() == [0, 1, 0]
            assert store.lineages() == {Lineage("rec", "01")}
            assert store.audit.verify().faults == ()
    with closing(open_store(first)) as store:
        assert record(store, event(1, (BELA, "milk", 1, 1)), event(2, (BELA, "milk", 1, 1))) == Recorded(1, 1)
        assert [held.event.event_id for held in store.access(BELA).events] == ["e2"]
        assert sum(len(part) for part in store.exports.events()) == 1
        assert store.erase([BELA], order_id="0" * 32, now=NOW).deleted["events"] == 2


def shape(url: str) -> dict[str, object]:
    """Tables, columns, keys and indices."""
    engine = engine_of(url)
    looked = inspect(engine)
    found = {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in looked.get_columns(table)},
            looked.get_pk_constraint(table)["constrained_columns"],
            sorted(tuple(index["column_names"]) for index in looked.get_indexes(table) if not index["unique"]),
        )
        for table in looked.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return found


@pytest.mark.slow
def test_however_it_came_about_it_has_the_tables_of_the_schema(first: str, url: str, tmp_path: Path) -> None:
    """Migrated from version 1, made anew by migrations, and made from the schema itself: the same."""
    open_store(first).close()
    made = f"sqlite:///{tmp_path / 'made.db'}"
    engine = engine_of(made)
    tables.metadata.create_all(engine)
    engine.dispose()
    assert shape(first).keys() == shape(made).keys()
    if first.startswith("sqlite"):
        assert shape(first) == shape(made)
    if url.partition(":")[0] == first.partition(":")[0]:
        assert shape(first) == shape(url)


def test_a_migration_that_fails_changes_nothing(first: str) -> None:
    engine = engine_of(first)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE audit_chain (in_the_way TEXT)"))
    before = shape(first)
    with pytest.raises(StoreError):
        open_store(first)
    assert shape(first) == before
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE audit_chain"))
    engine.dispose()
    open_store(first).close()


def test_a_store_of_a_newer_program_is_refused(store: object, url: str) -> None:
    del store
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for open_it in (open_store, create_store):
        with pytest.raises(StoreError, match="of another version than 0002"):
            open_it(url)
