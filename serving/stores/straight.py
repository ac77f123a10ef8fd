"""The few statements that every decision and event runs, straight on the driver's connection, within its transaction.

What SQLAlchemy does around a statement takes several times as long as SQLite takes to run it. Statements are written
once, with `?` for a value and `??` for a list of them, and mean the same to both databases.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

AT_ONCE: Final = 5_000  # values in one statement


def fetch(connection: Connection, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a query; `??` in it stands for all of `values`, of which there is at least one."""
    cursor = _driver(connection).execute(_text(statement, connection.dialect.name, len(values)), tuple(values))
    found: list[tuple[Any, ...]] = cursor.fetchall()
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


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - the driver's own type
    return connection.connection.driver_connection


@functools.lru_cache(maxsize=512)
def _text(statement: str, dialect: str, values: int) -> str:
    listed = statement.replace("??", ",".join("?" * values))
    return listed if dialect == "sqlite" else listed.replace("?", "%s")
