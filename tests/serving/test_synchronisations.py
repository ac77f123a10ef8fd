"""What waits for the disk: every place of the stores that writes is tried, and strace sees what docs/state.md says.

Where strace may not watch, the page is held against what is meant only; a test's name says who looked.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from support.chain import ROOT
from support.strace import may_watch
from support.synchronised import faults, on_postgres, on_sqlite, table, table_of
from support.told import filled
from support.writes import WRITES

from serving.stores import create_store
from serving.stores.sqlite import SqliteDatabase

PAGE = ROOT / "docs" / "state.md"
STORES = ROOT / "serving" / "stores"
# What carries a write out; of itself, each only makes and migrates the tables.
CARRIERS = frozenset({"database.py", "sqlite.py", "postgres.py", "group_commit.py"})


def writing() -> Iterator[tuple[str, str]]:
    """Every function of the stores that has the database write, with its file."""
    for path in STORES.glob("*.py"):
        if path.name not in CARRIERS:
            tree = ast.parse(path.read_text())
            for kind in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
                for node in kind.body:
                    if isinstance(node, ast.FunctionDef) and any(map(_has_it_write, ast.walk(node))):
                        yield path.name, f"{kind.name}.{node.name}" if isinstance(kind, ast.ClassDef) else node.name


def _has_it_write(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    named = {keyword.arg for keyword in node.keywords}
    return node.func.attr == "write_alone" or (node.func.attr == "write" and "durable" in named)


def test_every_place_that_writes_is_among_the_kinds(empty_file: Path, tmp_path: Path) -> None:
    reached: set[tuple[str, str]] = set()
    carriers = {SqliteDatabase.write.__code__, SqliteDatabase.write_alone.__code__}

    def note(frame: FrameType, happened: str, _: object) -> None:
        if happened == "call" and frame.f_code in carriers and frame.f_back is not None:
            code = frame.f_back.f_code
            reached.add((Path(code.co_filename).name, code.co_qualname))

    (tmp_path / "state.db").write_bytes(empty_file.read_bytes())
    store = filled(create_store(f"sqlite:///{tmp_path / 'state.db'}"))
    with contextlib.closing(store):
        for write in WRITES:
            write.before(store, 0)
            sys.setprofile(note)
            try:
                write.act(store, 0)
            finally:
                sys.setprofile(None)
    expected = set(writing())
    assert len(expected) > 15
    assert reached == expected


def meant(_: Path) -> None:
    rows = [line.strip("| ").split(" | ") for line in table_of(PAGE)[2:]]
    assert [row[0] for row in rows] == [write.name for write in WRITES]
    for column in (1, 2):
        assert faults({row[0]: row[column].replace("none", "") for row in rows}) == []


def seen_by_strace(folder: Path) -> None:
    columns = []
    for look in (on_sqlite, on_postgres):
        (folder / look.__name__).mkdir()
        columns.append(look(folder / look.__name__, times=1))
    assert [faults(column) for column in columns] == [[], []]
    assert table(columns) == table_of(PAGE)


CHECKS = [meant, *([pytest.param(seen_by_strace, marks=pytest.mark.slow)] if may_watch() else [])]


@pytest.mark.parametrize("check", CHECKS)
def test_the_page_says_what_is(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path)
