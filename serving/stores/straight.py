"""The few statements that every decision and event runs, straight on the driver's connection, within its transaction.

What SQLAlchemy does around a statement takes several times as long as SQLite takes to run it. Statements are written
once, with `?` for a value and `IN (??)` for a list of them, and mean the same to both databases.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection

AT_ONCE: Final = 5_000  # values in one statement
_FILE: Final = "sqlite"  # a dialect without a server
_LIST: Final = "IN (??)"


@contextlib.contextmanager
def in_a_row(connection: Connection) -> Iterator[None]:
    """Wait for a server only where rows are read: other statements go out with the next one that is.

    Nothing but what stands in this file may run within. What fails is raised by what is read next, or at the end.
    """
    with contextlib.ExitStack() as stack:
        if connection.dialect.name != _FILE:
            stack.enter_context(_driver(connection).pipeline())
        yield


def run(connection: Connection, statement: str, values: Sequence[Any] = ()) -> None:
    """Run a statement of which nothing is read."""
    _executed(connection, statement, values)


def fetch(connection: Connection, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a query; `IN (??)` in it stands for all of `values`, of which there is at least one."""
    found: list[tuple[Any, ...]] = _executed(connection, statement, values).fetchall()
    return found


def fetch_among(connection: Connection, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query for a list of any length, some values at a time."""
    parts = (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
    return [row for part in parts for row in fetch(connection, statement, part)]


def write_rows(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement for each of `rows`."""
    if rows:
        cursor = _driver(connection).cursor()
        cursor.executemany(_text(statement, connection.dialect.name, 1), rows)
        cursor.close()


def _executed(connection: Connection, statement: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - a cursor
    dialect = connection.dialect.name
    if dialect != _FILE and _LIST in statement:
        values = [list(values)]
    return _driver(connection).execute(_text(statement, dialect, len(values)), tuple(values))


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - the driver's own type
    return connection.connection.driver_connection


@functools.lru_cache(maxsize=512)
def _text(statement: str, dialect: str, values: int) -> str:
    """The statement as the driver takes it.

    To PostgreSQL a list is one value: of any length, it is the same statement, which the server has prepared.
    """
    if dialect == _FILE:
        return statement.replace(_LIST, f"IN ({','.join('?' * values)})")
    return statement.replace(_LIST, "= ANY(?)").replace("?", "%s")
