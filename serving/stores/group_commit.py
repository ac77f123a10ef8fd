"""Group commit: writers that wait for the same disk share one transaction, and so one wait.

Whoever comes first leads: takes everybody's work that is waiting and runs it in one transaction. There is no thread for
it, and nobody waits for company. Where the shared transaction fails, everybody runs their own work alone, so that an
error reaches the one whom it concerns.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from recsys.errors import RecsysError

T = TypeVar("T")

Work = Callable[[Connection], Any]


class GroupCommit:
    """A queue before one writer.

    Args:
        transaction: Runs works in one transaction, durable if asked, and returns their results.
    """

    def __init__(self, transaction: Callable[[Sequence[Work], bool], list[Any]]) -> None:
        self._transaction = transaction
        self._one_writer = threading.Lock()
        self._waiting: deque[_Waiting] = deque()

    def write(self, work: Callable[[Connection], T], *, durable: bool) -> T:
        """The result of `work`, or its error, once the transaction is over."""
        own = _Waiting(work, durable=durable)
        self._waiting.append(own)
        with self._one_writer:
            if not own.taken:
                self._lead()
            if not own.done:
                own.finish(self._transaction([own.work], own.durable)[0])
        result: T = own.result
        return result

    def _lead(self) -> None:
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        for one in group:
            one.taken = True
        if len(group) == 1:
            return
        try:
            results = self._transaction([one.work for one in group], any(one.durable for one in group))
        except (RecsysError, SQLAlchemyError, sqlite3.Error):
            return
        for one, result in zip(group, results, strict=True):
            one.finish(result)


class _Waiting:
    def __init__(self, work: Work, *, durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.taken = False
        self.done = False
        self.result: Any = None

    def finish(self, result: Any) -> None:  # noqa: ANN401 - whatever the work returned
        self.result, self.done = result, True
