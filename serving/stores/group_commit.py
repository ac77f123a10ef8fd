"""Group commit: writers that wait for the same disk share one transaction, and so one wait.

Whoever comes first leads: begins a transaction, takes everybody's work that waits by then, and runs it. There is no
thread for it, and nobody waits for company. Where one's work fails, everybody runs their own alone, so that the error
reaches the one whom it concerns. Where the database itself fails, all of them are told so: each would fare the same.
Nobody waits for longer than their own patience, unless their work is being written at that moment.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from recsys.errors import RecsysError
from serving.stores.interface import StoreError

T = TypeVar("T")

Work = Callable[[Connection], Any]

_FAILURES: Final = (RecsysError, SQLAlchemyError, sqlite3.Error, ValueError, msgspec.MsgspecError)


class Transaction(Protocol):
    """Begins a transaction, then takes works and runs them, all or nothing; their results."""

    def __call__(self, take: Callable[[], Sequence[Work]], *, durable: bool, patience: float) -> list[Any]:
        """Begin within so many seconds."""


class GroupCommit:
    """A queue before one writer."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._one_writer = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Waiting] = []

    def write(self, work: Callable[[Connection], T], *, durable: bool, patience: float) -> T:
        """The result of `work`, or its error, once the transaction is over.

        Raises:
            StoreError: The database failed, or did not begin within `patience` seconds.
        """
        own = _Waiting(work, durable=durable, until=time.monotonic() + patience)
        with self._queue:
            self._waiting.append(own)
        if not self._one_writer.acquire(timeout=patience):
            if self._withdrawn(own):
                raise StoreError("the state was too slow", mend="Try again once it answers")
            self._one_writer.acquire()  # it is being written: whoever gave up now would not know whether it was
        try:
            while not own.over:  # again where a shared transaction failed by somebody's work
                self._lead(own)
        finally:
            self._one_writer.release()
        if own.error is not None:
            raise own.error
        result: T = own.result
        return result

    def _lead(self, own: _Waiting) -> None:
        with self._queue:
            durable = own.durable or (not own.taken and any(one.durable for one in self._waiting))
        group: list[_Waiting] = []

        def take() -> Sequence[Work]:
            group.extend(self._taken(own, durable=durable))
            return [one.run for one in group]

        try:
            results = self._transaction(take, durable=durable, patience=max(0.0, own.until - time.monotonic()))
        except _FAILURES as error:
            self._fail(own, group, error)
            return
        for one, result in zip(group, results, strict=True):
            one.finish(result)

    def _fail(self, own: _Waiting, group: Sequence[_Waiting], error: Exception) -> None:
        if not group:  # it did not even begin
            self._withdrawn(own)
            own.finish(error=error)
        elif len(group) == 1 or (isinstance(error, StoreError) and not any(one.failed for one in group)):
            for one in group:
                one.finish(error=error)

    def _taken(self, own: _Waiting, *, durable: bool) -> list[_Waiting]:
        """Everybody who waits and whom such a transaction will do; of a second try the one alone."""
        if own.taken:
            return [own]
        with self._queue:
            group = [one for one in self._waiting if durable or not one.durable]
            self._waiting = [one for one in self._waiting if one.durable and not durable]
        for one in group:
            one.taken = True
        return group

    def _withdrawn(self, own: _Waiting) -> bool:
        """Whether it could be taken out of the queue: it was not begun, and will not be."""
        with self._queue:
            if own not in self._waiting:
                return False
            self._waiting.remove(own)
            return True


class _Waiting:
    def __init__(self, work: Work, *, durable: bool, until: float) -> None:
        self.durable, self.until = durable, until
        self.taken = self.failed = self.over = False
        self.result: Any = None
        self.error: Exception | None = None
        self._work = work

    def run(self, connection: Connection) -> Any:  # noqa: ANN401 - whatever the work returns
        """Do the work; remember where it was the work that failed, and not the database."""
        try:
            return self._work(connection)
        except RecsysError:
            self.failed = True
            raise

    def finish(self, result: Any = None, *, error: Exception | None = None) -> None:  # noqa: ANN401 - as `run`
        """Say what became of it."""
        self.result, self.error, self.over = result, error, True
