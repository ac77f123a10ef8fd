"""What was never written by a store is said to be damaged, on every path that reads it: never a fault of ours."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary, bindparam, create_engine, make_url, text
from support.lines import ANNA, BELA, NOW
from support.told import filled, settle, settling, told

from serving.stores import Store, StoreError

CUT = b"\x93\x80"  # an array of three of which one is there
NEVER_WRITTEN = {
    "cut off": b"\x01" * 13,
    "of items without a name": b"\xff" * 14,
    "of no day": b"\xff" * 3 + b"\x7f" + bytes(10),
}


@pytest.fixture
def store(store: Store) -> Store:
    filled(store)
    store.record([told("before", "exposure")], now=NOW)
    return store


def damage(url: str, table: str, column: str, content: bytes) -> None:
    """Write over what is held of Anna, past the store."""
    named = make_url(url)
    engine = create_engine(named if named.drivername == "sqlite" else named.set(drivername="postgresql+psycopg"))
    change = text(f"UPDATE {table} SET {column} = :content WHERE subject = :subject")  # noqa: S608 - our own names
    change = change.bindparams(bindparam("content", type_=LargeBinary))
    with engine.begin() as connection:
        connection.execute(change, {"content": content, "subject": ANNA})
    engine.dispose()


@pytest.mark.parametrize("column", ["said", "shown"])
def test_an_activity_that_is_cut_off(column: str, store: Store, url: str) -> None:
    damage(url, "activity", column, CUT)
    with pytest.raises(StoreError, match="damaged"):
        store.record([told(1, "exposure")], now=NOW)
    with pytest.raises(StoreError, match="damaged"):
        settle(store, settling("d1", "o1"))
    with pytest.raises(StoreError, match="damaged"):
        store.access(ANNA)
    assert store.record([told(2, "exposure", subject=BELA)], now=NOW).accepted == 1


@pytest.mark.parametrize("how", NEVER_WRITTEN)
def test_a_history_that_nobody_wrote(how: str, store: Store, url: str) -> None:
    damage(url, "subjects", "history", NEVER_WRITTEN[how])
    with pytest.raises(StoreError, match="damaged"):
        store.access(ANNA)
    assert store.access(BELA).held is False
