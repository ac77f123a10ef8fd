"""The clock of the service: the real one, or one that starts at a given instant, for replays and demonstrations."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from recsys.errors import UsageError

Clock = Callable[[], dt.datetime]


def utc_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def clock_from(start: dt.datetime, began: float) -> Clock:
    """A clock that showed `start` when `time.monotonic` showed `began`, and goes on whatever the machine's clock does.

    `time.monotonic` is the same in all processes of a machine, and so is this clock.
    """
    return lambda: start + dt.timedelta(seconds=time.monotonic() - began)


def parse_instant(text: str, *, option: str) -> dt.datetime:
    """An instant given on the command line, with its offset, in UTC."""
    try:
        instant = dt.datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError("is not an instant", where=option, mend="Write it as 2017-11-27T09:00:00Z") from None
