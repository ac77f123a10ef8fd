"""A SQLite file as a store: how it is made, opened and recognised, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from recsys.errors import OutputError
from serving.stores import schema
from serving.stores.interface import StoreError
from serving.stores.migrating import HEAD, version_of

APPLICATION_ID: Final = 0x72656373  # "recs": stands in the file's header and tells our files from others
LOAD_FIRST: Final = "Load first: recsys-serve load --state … --purchases … --subjects … --catalogue … --guards …"

_PATIENCE: Final = "recsys_patience"  # an option of a connection: seconds for the write lock
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
    engine = create_engine(url, connect_args=options, hide_parameters=True, pool_timeout=patience)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own type
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        if not writes:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted leaves no bytes behind
        connection.execute("PRAGMA temp_store = MEMORY")  # nor does a map between epochs
        connection.execute("PRAGMA busy_timeout = 5")

    if writes:
        event.listen(engine, "begin", lambda connection: take_the_write_lock(connection, _left(connection, patience)))
    return engine


@contextlib.contextmanager
def begun(connection: Connection, patience: float) -> Iterator[None]:
    """A transaction that gives up after so many seconds, whatever its engine has."""
    connection.execution_options(**{_PATIENCE: patience})
    with connection.begin():
        yield


def _left(connection: Connection, patience: float) -> float:
    left: float = connection.get_execution_options().get(_PATIENCE, patience)
    return left


def make_file(path: Path) -> None:
    """Make an empty file, readable by its owner only.

    Raises:
        OutputError: The place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", where=str(path), mend="Name another place") from None


def mark_file(path: Path) -> None:
    """Write into an empty file whose it is."""
    engine = engine_of(path, synchronous="FULL", writes=True, patience=5.0)
    with contextlib.ExitStack() as stack, answering(path):
        stack.callback(engine.dispose)
        stack.enter_context(engine.begin()).exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def remove_file(path: Path) -> None:
    """Remove a file that was just made, and what SQLite made beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        path.with_name(name).unlink(missing_ok=True)


def recognise(path: Path) -> str | None:
    """The version of the file's tables; None where there are none yet.

    The connection is a new one, which has nothing of the file in memory.

    Raises:
        StoreError: It is no file of ours, or does not answer.
    """
    engine = engine_of(path, synchronous="NORMAL", writes=False, patience=0.2)
    with contextlib.ExitStack() as stack, answering(path):
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        if connection.exec_driver_sql("PRAGMA application_id").scalar() != APPLICATION_ID:
            raise StoreError(
                "the state is a database of another program",
                where=str(path),
                mend="Name the file that `recsys-serve load` wrote",
            )
        version = version_of(connection)
        if version == HEAD:
            connection.execute(select(schema.subjects.c.subject).limit(1)).first()
        return version


@contextlib.contextmanager
def connected(engine: Engine) -> Iterator[sqlite3.Connection]:
    """The driver's own connection, without what SQLAlchemy does around a statement."""
    with contextlib.closing(engine.raw_connection()) as raw:
        connection: Any = raw.driver_connection
        yield connection


def is_missing(path: Path) -> bool:
    """Whether nothing was ever written there."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


@contextlib.contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn what the database says into `StoreError`; its own texts may hold values and are never passed on."""
    try:
        yield
    except PoolTimeout:
        raise StoreError("the state is too busy", where=str(path), mend="Try again, or start more workers") from None
    except DatabaseError as error:
        if type(error) not in {DatabaseError, OperationalError}:
            raise  # a broken constraint, a wrong statement: no fault of the database but ours
        raise _meaning(getattr(error.orig, "sqlite_errorname", ""), path) from None
    except sqlite3.DatabaseError as error:
        if type(error) not in {sqlite3.DatabaseError, sqlite3.OperationalError}:
            raise
        raise _meaning(getattr(error, "sqlite_errorname", ""), path) from None


def _meaning(name: str, path: Path) -> StoreError:
    """SQLite names what is wrong; what stands behind the second underscore is a detail."""
    what, mend = _MEANINGS.get("_".join(name.split("_")[:2]), _MEANINGS["SQLITE_CORRUPT"])
    return StoreError(f"the state {what}", where=str(path), mend=mend)


def take_the_write_lock(connection: Connection, patience: float) -> None:
    """Begin, or give up after `patience` seconds.

    SQLite itself waits longer and longer between its tries, up to 100 ms: among many writers, some would never have
    their turn. Here none waits for more than 2 ms before it tries again.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        else:
            return
