"""A SQLite file in WAL mode: readers never wait for writers, and writers of one process share their transactions.

Durable writes wait for the disk (`synchronous=FULL`); the others survive the end of the process at any moment, and a
power failure except for the last ones (`NORMAL`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, Engine

from recsys.files import replacing
from serving.stores.database import PATIENCE, Row
from serving.stores.group_commit import GroupCommit, Work
from serving.stores.interface import StoreError
from serving.stores.migrating import HEAD, migrate, wrong_version
from serving.stores.patience import waiting
from serving.stores.sqlite_files import answering, begun, connected, engine_of, recognise

T = TypeVar("T")

_PATIENCE: Final = 0.2  # seconds that a reader waits for a lock, which no writer holds against readers for longer
_LONG: Final = 30.0
_ROWS: Final = """
SELECT wanted.value, s.consents, s.adult, s.interests, s.store, s.region, s.history, a.arm, a.said, a.shown
FROM json_each(?) wanted
LEFT JOIN activity a ON a.subject = wanted.value
LEFT JOIN subjects s ON s.subject = wanted.value AND s.generation IN (SELECT generation FROM lineages)
"""


class SqliteDatabase:
    """One file; many processes may have it open. See `serving.stores.database.Database`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = engine_of(path, synchronous="NORMAL", writes=False, patience=_PATIENCE)
        self._quick = engine_of(path, synchronous="NORMAL", writes=True, patience=PATIENCE)
        self._durable = engine_of(path, synchronous="FULL", writes=True, patience=PATIENCE)
        self._alone = engine_of(path, synchronous="FULL", writes=True, patience=_LONG)
        self._together = GroupCommit(self._transaction)
        self._file: tuple[int, int] | None = None  # which one is open

    @property
    def where(self) -> str:
        """The file's path."""
        return str(self._path)

    def read(self, work: Callable[[Connection], T], *, patient: bool = False) -> T:
        """Run `work` on one snapshot. No reader waits for a writer, and none has to be patient."""
        del patient
        self._check_file()
        with answering(self._path), self._reading.begin() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], T], *, durable: bool, patience: float = PATIENCE) -> T:
        """Run `work` in a transaction, with others of this process that are waiting."""
        with waiting(patience) as until:
            return self._together.write(work, durable=durable, patience=max(0.0, until - time.monotonic()))

    def write_alone(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction of its own."""
        with answering(self._path), self._alone.begin() as connection:
            return work(connection)

    def rows(self, subjects: Sequence[str], *, patience: float = PATIENCE) -> list[Row]:
        """One row for each of `subjects`, straight from the driver: this is the most frequent statement of all."""
        del patience  # no reader waits
        with self._straight() as connection:
            return list(connection.execute(_ROWS, (msgspec.json.encode(subjects).decode(),)))

    def counters(self) -> dict[str, int]:
        """All counters."""
        with self._straight() as connection:
            return dict(connection.execute("SELECT name, value FROM counters"))

    def lock(self, connection: Connection, names: Iterable[str]) -> None:
        """The transaction has the file's only write lock already."""

    def lock_all(self, connection: Connection) -> None:
        """As `lock`."""

    def lock_last(self, connection: Connection) -> None:
        """As `lock`."""

    def scrub(self) -> None:
        """Empty the write-ahead log, unless somebody reads from it: deleted pages stand in it until then."""
        with answering(self._path), connected(self._durable) as connection:
            connection.execute("PRAGMA busy_timeout = 200")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA busy_timeout = 5")

    def vacuum(self) -> None:
        """Write the file anew."""
        with answering(self._path), connected(self._alone) as connection:
            connection.execute(f"PRAGMA busy_timeout = {_LONG * 1000:.0f}")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA busy_timeout = 5")

    def backup(self, out: Path) -> None:
        """Copy the file by SQLite's own means: page by page, of one moment, whoever writes meanwhile."""
        with (
            self._straight() as connection,
            replacing(out, mode=0o600) as beside,
            contextlib.closing(sqlite3.connect(beside)) as copy,
        ):
            connection.backup(copy)

    def migrate(self) -> None:
        """Make the tables, or bring them to this version."""
        if recognise(self._path) != HEAD:
            self.write_alone(lambda connection: migrate(connection, where=self.where))

    def check(self) -> None:
        """Return when the file answers. The connection is a new one, which has nothing of the file in memory."""
        self._check_file()
        if recognise(self._path) != HEAD:
            raise wrong_version(self.where)

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._reading, self._quick, self._durable, self._alone):
            engine.dispose()

    def _check_file(self) -> None:
        """Return when the path still names the file that is open: what is written into another one is lost.

        It is not taken up: what this process remembers of the old one (items, keys, epochs) is not true of the new one.
        """
        try:
            found = self._path.stat()
        except OSError as error:
            raise StoreError(f"the state cannot be found ({error.strerror})", where=self.where) from None
        file = found.st_dev, found.st_ino
        self._file = self._file or file
        if file != self._file:
            raise StoreError(
                "the state was replaced while it was open", where=self.where, mend="Start the service anew"
            )

    @contextlib.contextmanager
    def _straight(self) -> Iterator[sqlite3.Connection]:
        self._check_file()
        with answering(self._path), connected(self._reading) as connection:
            yield connection

    def _transaction(self, take: Callable[[], Sequence[Work]], *, durable: bool, patience: float) -> list[Any]:
        self._check_file()
        engine: Engine = self._durable if durable else self._quick
        with answering(self._path), engine.connect() as connection, begun(connection, patience):
            return [work(connection) for work in take()]
