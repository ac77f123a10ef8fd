"""A connection to PostgreSQL that gives up on a server that does not answer, and is of no use from then on.

The server's own limits (`statement_timeout`) end what is slow. They end nothing where the server itself stands still:
stopped, swapped out, or behind a network that swallows what is sent. The socket stays open then, and libpq waits on.
Here whoever waits has a time limit of its own. The connection is closed, so that a server that goes on finds nobody,
and takes back whatever was not committed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import psycopg

from serving.stores.patience import LEAST

_GRACE: Final = 0.5  # seconds more: a server that is only slow says so itself, and keeps its connection
_UNTIL: Final[ContextVar[float | None]] = ContextVar("until", default=None)

T = TypeVar("T")


@contextlib.contextmanager
def answered_by(until: float) -> Iterator[None]:
    """Within the block, this thread's connections wait until then (monotonic), and a moment more."""
    token = _UNTIL.set(until)
    try:
        yield
    finally:
        _UNTIL.reset(token)


class ImpatientConnection(psycopg.Connection[Any]):
    """See above. Outside of `answered_by` it waits as long as it takes."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> ImpatientConnection:  # noqa: ANN401 - the driver's own
        """Connect, if there is time: libpq gives a server two seconds to take a connection, and never less.

        Raises:
            psycopg.OperationalError: There is none, or nobody answers within `connect_timeout`.
        """
        until = _UNTIL.get()
        if until is not None and until - time.monotonic() < LEAST:  # its time went with waiting already
            raise psycopg.OperationalError("no time is left")
        return super().connect(conninfo, **options)

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server.

        Raises:
            psycopg.OperationalError: It did not answer in time; the connection is closed.
        """
        until = _UNTIL.get()
        if until is None:
            return super().wait(gen, interval, timeout)
        give_up = until + _GRACE
        try:
            return super().wait(gen, interval, max(0.0, give_up - time.monotonic()))
        except psycopg.OperationalError:
            if time.monotonic() >= give_up:
                self.close()
            raise
