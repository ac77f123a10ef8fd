"""The audit log: whatever is edited, deleted, put in another order or cut off is found; pruning keeps it verifiable."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import itertools
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, text
from support.lines import ANNA, BELA, NOW
from support.told import decided, filled, settle, settling

from recsys.contracts.audit import DECISIONS, AuditKind, Checkpoint
from serving.audit.chain import GENESIS, commitment, link, ranges
from serving.stores import Store

DAY = dt.timedelta(days=1)


@pytest.fixture
def store(store: Store) -> Store:
    """Records 1 to 8: a load, five decisions of Anna's and Bela's, a reload, a decision."""
    filled(store)
    settle(store, *(settling(f"d{n}", subject=(ANNA, BELA)[n % 2]) for n in range(5)))
    store.audit.append(AuditKind.RELOAD, {"model": "m/2"}, now=NOW)
    settle(store, settling("d5"))
    return store


def change(url: str, *statements: str) -> list[Any]:
    """What somebody does who has got hold of the database; the rows that the last statement returns."""
    named = make_url(url)
    engine = create_engine(named if named.drivername == "sqlite" else named.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        rows = list(results[-1].all()) if results[-1].returns_rows else []
    engine.dispose()
    return rows


def faults(store: Store, anchor: Checkpoint | None = None) -> str:
    return "; ".join(store.audit.verify(anchor).faults)


def test_the_chain_is_what_the_contract_says(store: Store, url: str) -> None:
    rows = change(
        url,
        "SELECT c.sequence, c.commitment, c.hash, p.nonce, p.payload"
        " FROM audit_chain c JOIN audit_payloads p ON p.sequence = c.sequence ORDER BY c.sequence",
    )
    before = bytes(32)
    for number, (sequence, committed, digest, nonce, payload) in enumerate(rows, 1):
        assert sequence == number
        assert bytes(committed) == hmac.new(nonce, payload, "sha256").digest()
        before = hashlib.sha256(before + number.to_bytes(8, "big") + committed).digest()
        assert bytes(digest) == before
        assert len(nonce) == 32
        assert ANNA.encode() not in bytes(payload)
    assert len({bytes(row[3]) for row in rows}) == len(rows) == 8
    report = store.audit.verify()
    assert (report.records, report.head, report.checkpoint, report.faults) == (8, 8, 0, ())


def copied(table: str, column: str, *, to: int) -> str:
    """Puts record 3's value in the place of another's."""
    value = f"(SELECT {column} FROM {table} WHERE sequence = 3)"  # noqa: S608 - our own tables
    return f"UPDATE {table} SET {column} = {value} WHERE sequence = {to}"  # noqa: S608 - as above


def exchanged(table: str) -> list[str]:
    """Records 3 and 4 change places."""
    moves = ((3, 99), (4, 3), (99, 4))
    return [f"UPDATE {table} SET sequence = {new} WHERE sequence = {old}" for old, new in moves]  # noqa: S608 - as above


PLANTED = {
    "a text is edited": (
        [copied("audit_payloads", "payload", to=5)],
        "record 5: its text is not what was written down",
    ),
    "a random number is edited": (
        [copied("audit_payloads", "nonce", to=5)],
        "record 5: its text is not what was written down",
    ),
    "a commitment is edited": (
        [copied("audit_chain", "commitment", to=5)],
        "record 5 does not continue the one before it",
    ),
    "a text is deleted": (
        ["DELETE FROM audit_payloads WHERE sequence = 4"],
        "record 4: its text was deleted, and no erasure names it",
    ),
    "a record is deleted": (
        ["DELETE FROM audit_chain WHERE sequence = 4", "DELETE FROM audit_payloads WHERE sequence = 4"],
        "after record 3 comes record 5: some were deleted",
    ),
    "the first records are deleted": (
        ["DELETE FROM audit_chain WHERE sequence <= 2", "DELETE FROM audit_payloads WHERE sequence <= 2"],
        "after record 0 comes record 3: some were deleted",
    ),
    "records are put in another order": (
        [*exchanged("audit_chain"), *exchanged("audit_payloads")],
        "record 3 does not continue the one before it",
    ),
    "texts are put in another order": (
        exchanged("audit_payloads"),
        "record 3: its text is not what was written down",
    ),
    "a decision is put to somebody else's account": (
        [copied("audit_payloads", "person", to=2)],
        "record 2 was put to somebody else's account",
    ),
    "a decision is hidden under another name": (
        ["UPDATE audit_payloads SET decision_id = 'x' WHERE sequence = 2"],
        "record 2 was put to somebody else's account, or under another name",
    ),
    "a text is slipped in": (
        ["INSERT INTO audit_payloads (sequence, nonce, payload) SELECT 77, nonce, payload FROM audit_payloads LIMIT 1"],
        "1 payloads stand in the log without a record",
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_what_was_done_to_it_is_found(case: str, store: Store, url: str) -> None:
    assert faults(store) == ""
    statements, message = PLANTED[case]
    change(url, *statements)
    assert message in faults(store)


CUT = ["DELETE FROM audit_chain WHERE sequence > 6", "DELETE FROM audit_payloads WHERE sequence > 6"]


def test_cutting_off_is_found_behind_a_checkpoint(store: Store, url: str) -> None:
    made = store.audit.checkpoint(now=NOW)
    settle(store, settling("d6"))
    change(url, "DELETE FROM audit_chain WHERE sequence = 9", "DELETE FROM audit_payloads WHERE sequence = 9")
    assert faults(store) == ""  # what stands after the last checkpoint is not covered, as the contract says
    change(url, *CUT)
    assert "the checkpoint at record 8 lies behind the end: the log was cut off" in faults(store)
    change(url, "DELETE FROM audit_checkpoints")
    assert faults(store) == ""
    assert "the anchor at record 8 lies behind the end" in faults(store, made)


def test_only_an_anchor_kept_elsewhere_finds_that_all_of_it_was_written_anew(store: Store, url: str) -> None:
    kept = store.audit.checkpoint(now=NOW)
    assert faults(store, kept) == ""
    change(url, "DELETE FROM audit_chain", "DELETE FROM audit_payloads", "DELETE FROM audit_checkpoints")
    settle(store, *(settling(f"d{n}") for n in range(8)))
    assert faults(store) == ""
    assert "the anchor at record 8 does not fit the chain: it was written anew" in faults(store, kept)


def test_what_was_to_be_forgotten_and_came_back_is_found(store: Store, url: str) -> None:
    """As from a backup of one table."""
    change(url, "CREATE TABLE backup AS SELECT * FROM audit_payloads WHERE sequence = 3")
    store.erase([BELA], order_id="0" * 32, now=NOW)
    assert faults(store) == ""
    change(url, "INSERT INTO audit_payloads SELECT * FROM backup")
    assert "record 3 was to be forgotten, and its text is there" in faults(store)


def test_pruning_ends_at_a_checkpoint_and_what_remains_is_verified(store: Store, url: str) -> None:
    assert store.audit.prune(before=NOW + DAY, now=NOW) == 0  # there is no checkpoint
    store.audit.checkpoint(now=NOW)
    settle(store, settling("d6"))
    assert store.audit.prune(before=NOW, now=NOW) == 0  # it was not made before that
    assert store.audit.prune(before=NOW + DAY, now=NOW + DAY) == 8
    report = store.audit.verify()
    assert (report.records, report.pruned, report.head, report.faults) == (2, 8, 10, ())
    assert store.decision("d5") is None
    assert store.decision("d6") is not None
    change(url, "DELETE FROM audit_chain WHERE sequence = 9", "DELETE FROM audit_payloads WHERE sequence = 9")
    assert "after record 8 comes record 10" in faults(store)


def test_a_beginning_that_was_moved_is_found(store: Store, url: str) -> None:
    store.audit.checkpoint(now=NOW)
    settle(store, settling("d6"), settling("d7"))
    store.audit.prune(before=NOW + DAY, now=NOW + DAY)
    rows = change(url, "SELECT value FROM meta WHERE key = 'audit.base'")
    (digest,) = change(url, "SELECT hash FROM audit_chain WHERE sequence = 9")[0]
    moved = rows[0][0].replace('"sequence": 8', '"sequence": 9')
    moved = moved[: moved.index('"hash": "') + 9] + bytes(digest).hex() + moved[moved.index('"hash": "') + 73 :]
    change(
        url,
        f"UPDATE meta SET value = '{moved}' WHERE key = 'audit.base'",  # noqa: S608 - our own value
        "DELETE FROM audit_chain WHERE sequence = 9",
        "DELETE FROM audit_payloads WHERE sequence = 9",
    )
    assert "the chain does not begin where it was last pruned" in faults(store)


def test_decisions_are_exported_as_they_were_made(store: Store) -> None:
    table = pl.concat(list(store.audit.decisions()))
    assert DECISIONS.checked(table, where="here").equals(table)
    assert table["decision_id"].to_list() == [f"d{n}" for n in range(6)]
    assert table["subject"].to_list() == [ANNA, BELA, ANNA, BELA, ANNA, ANNA]
    settle(store, settling("d8", "o1", "o2", details={"arm_share": 0.9}))
    last = pl.concat(list(store.audit.decisions())).row(-1, named=True)
    made = decided("d8", "o1", "o2")
    assert (last["at"], last["channel"], last["offers"]) == (made.at, "email", ["o1", "o2"])
    assert (last["scores"], last["propensities"], last["arm_share"]) == ([1.0, 0.5], [1.0, 1.0], 0.9)


@given(st.sets(st.integers(1, 60)))
def test_runs_name_what_they_were_made_of(numbers: set[int]) -> None:
    runs = ranges(sorted(numbers))
    assert {n for first, last in runs for n in range(first, last + 1)} == numbers
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(runs))


def test_a_link_depends_on_all_that_is_in_it() -> None:
    first = link(GENESIS, 1, commitment(b"r" * 32, b"payload"))
    others = [
        link(b"\1" * 32, 1, commitment(b"r" * 32, b"payload")),
        link(GENESIS, 2, commitment(b"r" * 32, b"payload")),
        link(GENESIS, 1, commitment(b"s" * 32, b"payload")),
        link(GENESIS, 1, commitment(b"r" * 32, b"payloaD")),
    ]
    assert len({first, *others}) == 5
