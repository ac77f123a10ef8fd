"""The SQLite file: whose it is, what is said when it is damaged or locked, and what it does not keep."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.lines import ANNA, BELA, NOW, event, load, people, record
from support.tokens import token
from support.told import settle, settling, told, yes

from recsys.contracts.preferences import PreferencesChange
from recsys.errors import OutputError, UsageError
from recsys.history import ItemIndex
from serving.stores import ErasedError, Recorded, Store, StoreError, create_store, open_store, sqlite_files
from serving.stores.group_commit import GroupCommit, Work

INDEX = ItemIndex.of(["beer", "milk"])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with Anna and 2,000 others in it."""
    path = tmp_path_factory.mktemp("filled") / "state.db"
    with closing(create_store(f"sqlite:///{path}")) as store:
        crowd = [(token(number), "milk", 0, 1.0) for number in range(2000)]
        load(store, people([(ANNA, "beer", 0, 2), *crowd]))
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(filled, tmp_path / "state.db"))


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{path}")) as store:
        yield store


def opened(path: Path) -> Store:
    return open_store(f"sqlite:///{path}")


def damage_pages_with(path: Path, text: str) -> None:
    content = bytearray(path.read_bytes())
    for start in range(0, len(content), 4096):
        if text.encode() in content[start : start + 4096]:
            content[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(content)


def test_only_its_owner_may_read_it(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_but_the_file_is_left_when_it_is_closed(path: Path) -> None:
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@db/state",
        "sqlite://",
        "sqlite:///",
        "sqlite:///state.db?mode=memory",
        "state.db",
        "",
    ],
)
def test_other_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///PATH") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def test_nothing_is_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Load first"):
        opened(tmp_path / "absent.db")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_has_to_be_loaded_first(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with pytest.raises(StoreError, match="Load first"):
        opened(tmp_path / "state.db")


@pytest.mark.parametrize("open_it", [open_store, create_store])
def test_a_database_of_another_program_is_left_alone(open_it: object, tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.db"
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE subjects (subject TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_it(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are not the people you are looking for.\n" * 50)
    with pytest.raises(StoreError, match="not a database"):
        opened(path)
    with pytest.raises(StoreError, match="not a database"):
        create_store(f"sqlite:///{path}")
    assert path.read_text().startswith("These are not")


def test_a_file_that_is_cut_off_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StoreError, match="damaged"):
        opened(path)


def test_damage_is_an_error_and_not_a_stranger(path: Path) -> None:
    """Whose row cannot be read is not somebody without consents: whoever asks has to know."""
    damage_pages_with(path, ANNA)
    with closing(opened(path)) as store, pytest.raises(StoreError, match="damaged"):
        store.read([ANNA], INDEX)


def test_a_check_looks_at_the_file_and_not_at_what_is_in_memory(path: Path, store: Store) -> None:
    store.read([ANNA], INDEX)
    store.check()
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(StoreError, match="damaged"):
        store.check()


def test_a_file_in_the_place_of_the_one_that_is_open_is_refused_and_nothing_is_written_to_either(
    path: Path, store: Store
) -> None:
    """What was written would be lost with the old one; and what is remembered of it is not true of the new one."""
    aside, written = path.with_name("aside.db"), event(1, (ANNA, "milk", 1, 1))
    path.rename(aside)
    with pytest.raises(StoreError, match="cannot be found"):
        record(store, written)
    shutil.copy(aside, path)
    for call in (
        lambda: record(store, written),
        lambda: store.read([ANNA], INDEX),
        lambda: store.preferences(ANNA),
        store.changes,
        store.check,
    ):
        with pytest.raises(StoreError, match="was replaced while it was open"):
            call()
    aside.rename(path)
    assert record(store, written) == Recorded(1, 0)


@pytest.mark.parametrize(
    ("column", "value"), [("history", b"\x00" * 13), ("consents", "{"), ("consents", '["profiling", 1]')]
)
def test_a_row_that_cannot_be_decoded_is_damage(column: str, value: object, path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"UPDATE subjects SET {column} = ? WHERE subject = ?", (value, ANNA))  # noqa: S608 - ours
    with pytest.raises(StoreError, match="damaged"):
        store.read([ANNA], INDEX)


def test_an_item_without_a_name_is_damage(path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM items")
    with pytest.raises(StoreError, match="damaged"):
        store.read([ANNA], INDEX)


@pytest.mark.slow
def test_a_locked_file_is_read_but_not_written(path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            record(store, event(1, (ANNA, "milk", 1, 1)))
        assert len(store.read([ANNA], INDEX).histories.item) == 1
    assert record(store, event(1, (ANNA, "milk", 1, 1))) == Recorded(1, 0)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        create_store(f"sqlite:///{tmp_path / 'file' / 'state.db'}")


def test_who_is_replaced_leaves_no_bytes(path: Path) -> None:
    """Also in pages that SQLite has freed and not yet used again; the control is the search before."""
    assert ANNA.encode() in path.read_bytes()
    with closing(opened(path)) as store:
        load(store, people([(BELA, "milk", 0, 1)], {BELA: ["profiling"]}))
    assert ANNA.encode() not in path.read_bytes()
    assert BELA.encode() in path.read_bytes()


def test_which_writes_wait_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Observed where transactions begin: FULL (2) for what a person says and for an erasure, else NORMAL."""
    used: list[tuple[str, int]] = []
    real = sqlite_files.take_the_write_lock

    def watched(connection: Connection, patience: float) -> None:
        used.append(("write", connection.exec_driver_sql("PRAGMA synchronous").scalar_one()))
        real(connection, patience)

    monkeypatch.setattr(sqlite_files, "take_the_write_lock", watched)
    with closing(opened(path)) as store:
        store.record([told(1, "exposure")], now=NOW)
        settle(store, settling("d1", "o1"))
        assert [level for _, level in used] == [1, 1]
        store.record([told(2, "exposure"), told(3, "dismissal")], now=NOW)
        store.change_preferences(ANNA, PreferencesChange(consents={"training": yes()}), now=NOW)
        store.erase([ANNA], order_id="0" * 32, now=NOW)
        store.audit.checkpoint(now=NOW)
        assert [level for _, level in used[2:]] == [2, 2, 2, 2]


def test_writers_that_wait_for_each_other_share_a_transaction() -> None:
    """Twelve works, of which the first is slow: the others wait for it, and are then run together."""
    groups: list[int] = []
    started = threading.Event()

    def transaction(take: Callable[[], Sequence[Work]], *, durable: bool, patience: float) -> list[object]:
        works = take()
        groups.append(len(works))
        if len(groups) == 1:
            started.set()
            time.sleep(0.3)
        assert patience > 0
        return [durable for _ in works]

    together = GroupCommit(transaction)
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(together.write, noop, durable=False, patience=5)
        started.wait(5)
        rest = [pool.submit(together.write, noop, durable=number == 5, patience=5) for number in range(11)]
    assert groups == [1, 11]
    assert first.result() is False
    assert [one.result() for one in rest] == [True] * 11  # one that has to wait for the disk makes all of them wait


def test_a_database_that_does_not_begin_is_waited_for_once_and_not_by_each_in_turn() -> None:
    def transaction(_: Callable[[], Sequence[Work]], *, durable: bool, patience: float) -> list[object]:
        time.sleep(patience)
        raise StoreError("is locked", mend=f"{durable}")

    together = GroupCommit(transaction)
    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(together.write, noop, durable=number % 2 == 0, patience=0.25) for number in range(12)]
    assert {type(one.exception()) for one in waiting} == {StoreError}
    assert time.monotonic() - began < 1.5


def test_when_the_database_fails_all_who_share_it_are_told_and_none_tries_again() -> None:
    groups: list[int] = []

    def transaction(take: Callable[[], Sequence[Work]], *, durable: bool, patience: float) -> list[object]:
        time.sleep(0.2)
        groups.append(len(take()))
        raise StoreError("has no space left on its disk", mend=f"{durable} {patience}")

    together = GroupCommit(transaction)
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(together.write, noop, durable=False, patience=5) for _ in range(12)]
    assert {type(one.exception()) for one in waiting} == {StoreError}
    assert sum(groups) == 12


def noop(_: Connection) -> None:
    """A work."""


def test_what_the_driver_itself_refuses_reaches_the_one_whom_it_concerns(path: Path) -> None:
    """A trigger stands for a broken constraint, in a statement that goes straight to the driver."""
    with closing(opened(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER t BEFORE INSERT ON audit_payloads WHEN NEW.decision_id = 'd3' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(settle, store, settling(f"d{number}")) for number in range(8)]
            time.sleep(0.3)
            other.execute("COMMIT")
        failed = [number for number, one in enumerate(waiting) if one.exception() is not None]
        assert failed == [3]
        assert isinstance(waiting[3].exception(), sqlite3.IntegrityError)
        assert [store.decision(f"d{number}") is not None for number in range(8)] == [number != 3 for number in range(8)]
        assert store.audit.verify().faults == ()


def test_an_error_reaches_the_one_whom_it_concerns(path: Path) -> None:
    """Of those who share a transaction, one writes about somebody who was erased."""
    with closing(opened(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.erase([ANNA], order_id="0" * 32, now=NOW)
        other.execute("BEGIN IMMEDIATE")
        change = PreferencesChange(consents={"training": yes()})
        with ThreadPoolExecutor(8) as pool:
            names = [*(token(number) for number in range(7)), ANNA]
            waiting = [pool.submit(store.change_preferences, name, change, now=NOW) for name in names]
            time.sleep(0.3)
            other.execute("COMMIT")
        assert [type(one.exception()) for one in waiting] == [type(None)] * 7 + [ErasedError]
        assert all("training" in store.preferences(name).consents for name in names[:7])
