"""From the URL of `--state` to a store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from recsys.errors import UsageError
from serving.stores import schema
from serving.stores.interface import Store, StoreError
from serving.stores.sqlite import SqliteDatabase
from serving.stores.sqlite_files import LOAD_FIRST, is_missing, make_file, mark_file, remove_file
from serving.stores.store import SqlStore

if TYPE_CHECKING:
    from serving.stores.postgres import PostgresDatabase

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")


def open_store(url: str) -> Store:
    """Open a store that was loaded before; one of an older version is brought to this one.

    Raises:
        UsageError: The URL names no kind of store that there is.
        StoreError: There is no store, it is not one of ours, of a newer version, damaged, or was never loaded.
    """
    database = _database(url)
    if isinstance(database, SqliteDatabase) and is_missing(_sqlite_path(url)):
        raise StoreError("there is no state here", where=database.where, mend=LOAD_FIRST)
    with _kept_if_well(database):
        database.migrate()
        store = SqlStore(database)
        if not store.lineages():
            raise StoreError("the state was never loaded", where=database.where, mend=LOAD_FIRST)
    return store


def create_store(url: str) -> Store:
    """Open a store to load it, made anew where there is none. What cannot be made leaves nothing behind.

    Raises:
        UsageError: The URL names no kind of store that there is.
        StoreError: What is there is something else, or does not answer.
        OutputError: The place cannot be written.
    """
    database = _database(url)
    with contextlib.ExitStack() as undoing, _kept_if_well(database):
        if isinstance(database, SqliteDatabase) and is_missing(_sqlite_path(url)):
            make_file(_sqlite_path(url))
            undoing.callback(remove_file, _sqlite_path(url))
            mark_file(_sqlite_path(url))
        database.migrate()
        undoing.pop_all()
    return SqlStore(database)


def discard_unused(url: str) -> None:
    """Remove a file in which nothing stands: neither people nor a load that could go on."""
    path = _sqlite_path(url) if url.startswith(_SQLITE) else None
    if path is None or is_missing(path):
        return
    with contextlib.closing(SqliteDatabase(path)) as database:
        used = database.read(_in_use)
    if not used:
        remove_file(path)


def _in_use(connection: Connection) -> bool:
    return any(connection.execute(select(table).limit(1)).first() for table in (schema.lineages, schema.subjects))


def _database(url: str) -> SqliteDatabase | PostgresDatabase:
    """The URL is not repeated in errors: those of PostgreSQL may hold a password."""
    if url.startswith(_POSTGRES):
        from serving.stores.postgres import PostgresDatabase  # noqa: PLC0415 - its driver takes long to import

        return PostgresDatabase(url.replace("postgres://", "postgresql://", 1))
    return SqliteDatabase(_sqlite_path(url))


def _sqlite_path(url: str) -> Path:
    path = url.removeprefix(_SQLITE)
    if path == url or not path or "?" in path:
        raise UsageError(
            "names no store that this program knows",
            where="--state",
            mend="Write sqlite:///PATH (an absolute path makes four slashes) or postgresql://USER@HOST/DATABASE",
        )
    return Path(path)


@contextlib.contextmanager
def _kept_if_well(database: SqliteDatabase | PostgresDatabase) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.callback(database.close)
        yield
        stack.pop_all()
