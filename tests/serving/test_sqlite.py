"""The SQLite file: whose it is, what is said when it is damaged or locked, and what it does not keep."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.lines import ANNA, BELA, event, load, people, record
from support.tokens import token

from recsys.errors import OutputError, UsageError
from recsys.history import ItemIndex
from serving.stores import Recorded, Store, StoreError, create_store, open_store

INDEX = ItemIndex.of(["beer", "milk"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with Anna and 2,000 others in it."""
    path = tmp_path / "state.db"
    with closing(create_store(f"sqlite:///{path}")) as store:
        crowd = [(token(number), "milk", 0, 1.0) for number in range(2000)]
        load(store, people([(ANNA, "beer", 0, 2), *crowd]))
    return path


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
        "postgresql://user:hunter2@db/state",
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


@pytest.mark.parametrize("version", ["0", "2", "17"])
def test_a_store_of_another_version_is_refused(version: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (version,))
    with pytest.raises(StoreError, match="of another version than 1"):
        opened(path)


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
    with closing(opened(path)) as store:
        record(store, event(1, (ANNA, "milk", 1, 1)))
    assert ANNA.encode() in path.read_bytes()
    with closing(opened(path)) as store:
        load(store, people([(BELA, "milk", 0, 1)], {BELA: ["profiling"]}))
    assert ANNA.encode() not in path.read_bytes()
    assert BELA.encode() in path.read_bytes()
