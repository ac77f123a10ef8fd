"""A PostgreSQL database: any number of servers and machines may use it.

Durable writes wait for its disk; the others ask for `synchronous_commit = off`: they survive the end of this process at
any moment, and a crash of the database except for the last fraction of a second.

A server that stands still is not waited for: see `serving.stores.impatient`.

Writers of the same subject take turns by advisory locks: a transaction's subjects are hashed onto `_STRIPES` numbers,
which are taken in their order, so that nobody waits in a circle and the lock table stays small.
"""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from recsys.errors import UsageError
from serving.stores.database import PATIENCE, Row
from serving.stores.impatient import ImpatientConnection, answered_by
from serving.stores.interface import StoreError, UnclearError
from serving.stores.migrating import HEAD, migrate, version_of, wrong_version
from serving.stores.patience import LEAST, waiting
from serving.stores.straight import in_a_row, run

T = TypeVar("T")

_LONG: Final = 30_000  # to wait for a lock, for what takes long
_CONNECTIONS: Final = 10  # of one worker
_STRIPES: Final = 512
_SPACE: Final = 0x72656373  # "recs": the first half of our advisory locks' numbers
_EVERYTHING: Final = -1
_LAST: Final = -2
_ROWS: Final = """
SELECT wanted.value, s.consents, s.adult, s.interests, s.store, s.region, s.history, a.arm, a.said, a.shown
FROM unnest(%s::text[]) wanted(value)
LEFT JOIN activity a ON a.subject = wanted.value
LEFT JOIN subjects s ON s.subject = wanted.value AND s.generation IN (SELECT generation FROM lineages)
"""
_SHARE: Final = "SELECT pg_advisory_xact_lock_shared(?, ?)"
_TAKE: Final = "SELECT pg_advisory_xact_lock(?, ?)"
_LIMIT: Final = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)"
_TAKE_MANY: Final = "SELECT pg_advisory_xact_lock(?, n) FROM unnest(CAST(? AS int[])) n"
_MEANINGS: Final = {
    "08": ("does not answer", "Is PostgreSQL running, and may this host reach it?"),
    "28": ("does not let this user in", "Check user and password in --state, PGPASSWORD or ~/.pgpass"),
    "3D": ("does not exist", "Create the database first"),
    "40": ("was changed by somebody else at the same time", "Try again"),
    "42": ("may not be used by this user, or lacks its tables", "Check what the user was granted"),
    "53": ("has no space or no connections left", "Free some space; nothing was changed"),
    "55": ("is locked by another process", "Let it finish, then try again"),
    "57": ("was stopped, or was too slow", "Try again once it answers"),
    "58": ("cannot be read from its disk, or written to it", "Check the disk and the space on it"),
    "XX": ("is damaged", "Restore it from a backup, or load again into a new database"),
}
_NOTICES: Final = {  # of a network that swallows what is sent, also where whoever waits has no limit of their own
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_LOST: Final = ("08", "57P")  # the connection, or the server: what was under way has an end that nobody tells
_NO_FAULT_OF_THE_DATABASE: Final = {"22", "23"}  # a value that does not fit, a broken constraint: the fault is ours


class PostgresDatabase:
    """Tables in the database that a URL names. See `serving.stores.database.Database`."""

    where: Final = "the state in PostgreSQL"

    def __init__(self, url: str) -> None:
        self._url = url
        self._reading = _engine_of(url, patience=PATIENCE, connections=_CONNECTIONS, ask_first=False)
        self._writing = _engine_of(url, patience=PATIENCE, connections=_CONNECTIONS, ask_first=True)
        self._alone = _engine_of(url, patience=None, connections=2, ask_first=True)
        self._snapshots = _snapshots_of(self._writing)
        self._long_snapshots = _snapshots_of(self._alone)
        self._readers, self._writers = (threading.BoundedSemaphore(_CONNECTIONS) for _ in range(2))

    def read(self, work: Callable[[Connection], T], *, patient: bool = False) -> T:
        """Run `work` on one snapshot."""
        if patient:
            with answering(), self._long_snapshots.begin() as connection:
                return work(connection)
        with _in_turn(self._writers) as until, answering(), self._snapshots.begin() as connection:
            _limit(connection, until)
            return work(connection)

    def write(self, work: Callable[[Connection], T], *, durable: bool, patience: float = PATIENCE) -> T:
        """Run `work` in a transaction."""
        with (
            _in_turn(self._writers, patience) as until,
            answering(),
            self._writing.connect() as connection,
            _committed(connection),
        ):
            _limit(connection, until)
            if not durable:
                with in_a_row(connection):  # the transaction's beginning goes out with it
                    run(connection, "SET LOCAL synchronous_commit = off")
            return work(connection)

    def write_alone(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that may take long."""
        with answering(), self._alone.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONG}")
            return work(connection)

    def rows(self, subjects: Sequence[str], *, patience: float = PATIENCE) -> list[Row]:
        """One row for each of `subjects`, in one statement outside of any transaction."""
        return [tuple(row) for row in self._asked(_ROWS, (list(subjects),), patience=patience)]

    def counters(self) -> dict[str, int]:
        """All counters."""
        return {name: value for name, value in self._asked("SELECT name, value FROM counters")}  # noqa: C416 - rows

    def lock(self, connection: Connection, names: Iterable[str]) -> None:
        """Take the stripes of `names`, lowest first."""
        run(connection, _SHARE, (_SPACE, _EVERYTHING))
        numbers = sorted({zlib.crc32(name.encode()) % _STRIPES for name in names})
        run(connection, _TAKE_MANY, (_SPACE, numbers))

    def lock_all(self, connection: Connection) -> None:
        """Wait for everybody, and let nobody begin."""
        run(connection, _TAKE, (_SPACE, _EVERYTHING))

    def lock_last(self, connection: Connection) -> None:
        """Take the lock of the audit log's head and of the items' numbers."""
        run(connection, _TAKE, (_SPACE, _LAST))

    def scrub(self) -> None:
        """Nothing is quickly done: rows are gone for every reader, and PostgreSQL's own vacuum comes by."""

    def vacuum(self) -> None:
        """Write every table anew. The server's write-ahead log is out of reach: it ages out."""
        with answering(), self._alone.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            tables = plain.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            for name in tables.scalars().all():
                plain.exec_driver_sql(f'VACUUM FULL "{name}"')

    def backup(self, out: Path) -> None:
        """PostgreSQL does it better itself."""
        raise StoreError(
            f"{self.where} has tools of its own for backups",
            where=str(out),
            mend="Use pg_dump, as docs/runbook.md says",
        )

    def migrate(self) -> None:
        """Make the tables, or bring them to this version."""

        def work(connection: Connection) -> None:
            self.lock_all(connection)
            migrate(connection, where=self.where)

        if self._version(self._writing) != HEAD:
            self.write_alone(work)

    def check(self) -> None:
        """Return when the database answers over a new connection."""
        engine = _engine_of(self._url, patience=PATIENCE, connections=1, ask_first=False)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            if self._version(engine) != HEAD:
                raise wrong_version(self.where)

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._reading, self._writing, self._alone):
            engine.dispose()

    def _asked(self, query: str, parameters: tuple[Any, ...] = (), *, patience: float = PATIENCE) -> Sequence[Any]:
        """The rows of a query; asked again where the connection turns out to have been cut meanwhile."""
        with _in_turn(self._readers, patience) as until, answering():
            try:
                with self._plain(until) as connection:
                    return connection.exec_driver_sql(query, parameters).all()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with self._plain(until) as connection:
                return connection.exec_driver_sql(query, parameters).all()

    @contextlib.contextmanager
    def _plain(self, until: float) -> Iterator[Connection]:
        """A connection for one statement: outside of any transaction, unless it was long in coming."""
        with self._reading.connect() as connection:
            if _whole(until):
                connection.execution_options(isolation_level="AUTOCOMMIT")
            _limit(connection, until)
            yield connection

    def _version(self, engine: Engine) -> str | None:
        with waiting() as until, answered_by(until), answering(), engine.connect() as connection:
            return version_of(connection)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn what the database says into `StoreError`; its own texts may hold values and are never passed on."""
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error.orig, error) from None
    except psycopg.Error as error:
        raise _meaning(error) from None
    except PoolTimeout:
        raise _too_busy() from None


@contextlib.contextmanager
def _in_turn(turns: threading.BoundedSemaphore, patience: float = PATIENCE) -> Iterator[float]:
    """One of the connections, for a call to the database: until when (monotonic) it may wait."""
    with waiting(patience) as until:
        if not turns.acquire(timeout=max(0.0, until - time.monotonic())):
            raise _too_busy()
        try:
            with answered_by(until):
                yield until
        finally:
            turns.release()


def _too_busy() -> StoreError:
    return StoreError(f"{PostgresDatabase.where} is too busy", mend="Try again, or start more workers")


def _meaning(said: BaseException | None, error: Exception | None = None) -> Exception:
    """What to raise: a `StoreError`, or the error itself where the fault is ours."""
    state = getattr(said, "sqlstate", None) or ""
    if state[:2] in _NO_FAULT_OF_THE_DATABASE and isinstance(said, Exception):
        return error or said
    what, mend = _MEANINGS.get(state[:2], _MEANINGS["08"])
    return StoreError(f"{PostgresDatabase.where} {what}", mend=mend)


def _snapshots_of(engine: Engine) -> Engine:
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextlib.contextmanager
def _committed(connection: Connection) -> Iterator[None]:
    """A transaction. Cut while it is being concluded, it may be there or not: nobody was told."""
    with contextlib.ExitStack() as undoing:
        transaction = connection.begin()
        undoing.callback(transaction.close)  # rolls back what was not committed
        yield
        try:
            transaction.commit()
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or _LOST[0]
            if not error.connection_invalidated and not state.startswith(_LOST):
                raise
            lost = f"{PostgresDatabase.where} was lost while it wrote"
            raise UnclearError(lost, mend="Send the same again") from None


def _limit(connection: Connection, until: float) -> None:
    """Let the statements of this transaction wait for what is left of the time, where some of it is gone."""
    if not _whole(until):
        left = f"{max(until - time.monotonic(), LEAST) * 1000:.0f}"
        connection.exec_driver_sql(_LIMIT, (left, left))


def _whole(until: float) -> bool:
    """Whether no time was spent with waiting for a connection: then the connection's own limit is the right one."""
    return until - time.monotonic() > PATIENCE - LEAST


def _engine_of(url: str, *, patience: float | None, connections: int, ask_first: bool) -> Engine:
    """Connections to the database.

    Args:
        url: `postgresql://…`, as libpq understands it.
        patience: Seconds that a statement may take; None: as long as it takes.
        connections: How many at most.
        ask_first: Whether a connection is tried before it is used, since what follows cannot simply be done again.
    """
    try:
        named = make_url(url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        raise UsageError("is no URL", where="--state", mend="Write postgresql://USER@HOST/DATABASE") from None
    limits = f"-c statement_timeout={patience * 1000:.0f} -c lock_timeout={patience * 1000:.0f}" if patience else ""
    engine = create_engine(
        named,
        connect_args={"connect_timeout": 2, "options": limits, **_NOTICES},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=PATIENCE,
        pool_use_lifo=True,  # what was used last is the least likely to be cut, and there may be no time to connect
        pool_pre_ping=ask_first,
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_: object, __: object, words: Sequence[Any], options: dict[str, Any]) -> ImpatientConnection:
        return ImpatientConnection.connect(*words, **options)

    return engine
