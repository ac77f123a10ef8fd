"""A SQLite file as a store: how it is made, opened and recognised, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import DatabaseError, OperationalError

from recsys.errors import OutputError
from serving.stores import schema
from serving.stores.interface import StoreError

APPLICATION_ID: Final = 0x72656373  # "recs": stands in the file's header and tells our files from others
LOAD_FIRST: Final = "Load first: recsys-serve load --state … --purchases … --subjects … --catalogue … --guards …"

_MEANINGS: Final = {
    "SQLITE_BUSY": ("is locked by another process", "Let it finish, then try again"),
    "SQLITE_LOCKED": ("is locked by another process", "Let it finish, then try again"),
    "SQLITE_FULL": ("has no space left on its disk", "Free some space; nothing was changed"),
    "SQLITE_CANTOPEN": ("cannot be opened", "Check the path and its permissions"),
    "SQLITE_READONLY": ("may not be written", "Check the permissions of the file and its folder"),
    "SQLITE_PERM": ("may not be read", "Check the permissions of the file and its folder"),
    "SQLITE_IOERR": ("cannot be read from its disk, or written to it", "Check the disk and the space on it"),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup, or load again into a new file"),
    "SQLITE_NOTADB": ("is not a database, or is damaged", "Name the file that `recsys-serve load` wrote"),
}


def engine_of(path: Path, *, synchronous: str, writes: bool, patience: float) -> Engine:
    """Connections to an existing file.

    Args:
        path: The file. It is never made by opening it.
        synchronous: `NORMAL` or `FULL`.
        writes: Whether each transaction takes the write lock when it begins; else nothing can be written.
        patience: Seconds to wait for a lock.
    """
    url = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "rw", "uri": "true"})
    options = {"timeout": patience, "isolation_level": None}  # transactions begin where we say so
    engine = create_engine(url, connect_args=options, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own type
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        if not writes:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted leaves no bytes behind
        connection.execute("PRAGMA temp_store = MEMORY")  # nor does a map between epochs

    if writes:
        event.listen(engine, "begin", _take_the_write_lock)
    return engine


def make_file(path: Path) -> None:
    """Make an empty store, readable by its owner only.

    Raises:
        OutputError: The place cannot be written.
        StoreError: SQLite cannot work there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", where=str(path), mend="Name another place") from None
    engine = engine_of(path, synchronous="FULL", writes=True, patience=5.0)
    with contextlib.ExitStack() as stack, answering(path):
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.begin())
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.meta), {"key": "schema_version", "value": str(schema.SCHEMA_VERSION)})


def recognise(connection: Connection, path: Path) -> None:
    """Return when the file is a store of this program's version.

    Raises:
        StoreError: It is not.
    """
    if connection.exec_driver_sql("PRAGMA application_id").scalar() != APPLICATION_ID:
        raise StoreError(
            "the state is a database of another program",
            where=str(path),
            mend="Name the file that `recsys-serve load` wrote",
        )
    query = select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")
    version = connection.execute(query).scalar()
    if version != str(schema.SCHEMA_VERSION):
        raise StoreError(
            f"the state is of another version than {schema.SCHEMA_VERSION}, which this program knows",
            where=str(path),
            mend="Use the program that wrote it, or load again into a new file",
        )


def is_missing(path: Path) -> bool:
    """Whether nothing was ever written there."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


@contextlib.contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn what the database says into `StoreError`; its own texts may hold values and are never passed on."""
    try:
        yield
    except DatabaseError as error:
        if type(error) not in {DatabaseError, OperationalError}:
            raise  # a broken constraint, a wrong statement: no fault of the database but ours
        raise _meaning(getattr(error.orig, "sqlite_errorname", ""), path) from None


@contextlib.contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn what cannot be decoded into `StoreError`: it is not what was written."""
    try:
        yield
    except (msgspec.DecodeError, ValueError):
        raise _meaning("SQLITE_CORRUPT", path) from None


def _meaning(name: str, path: Path) -> StoreError:
    """SQLite names what is wrong; what stands behind the second underscore is a detail."""
    what, mend = _MEANINGS.get("_".join(name.split("_")[:2]), _MEANINGS["SQLITE_CORRUPT"])
    return StoreError(f"the state {what}", where=str(path), mend=mend)


def _take_the_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
