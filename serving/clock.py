"""The clock of the service: the real one, or one that starts at a given instant, for replays and demonstrations."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from recsys.errors import RecsysError, UsageError

MOST_BEHIND: Final = dt.timedelta(minutes=5)  # by which the clocks of machines may differ
Clock = Callable[[], dt.datetime]


def utc_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


class ForwardClock:
    """Real time in UTC, which goes on where the machine's clock is put back, and follows it where it is put forward.

    What was said or shown before the clock was put back would else lie ahead, and withhold nothing until then. It keeps
    the greatest lead of the wall clock over the monotonic one that it saw. A clock that was put forward by mistake, and
    then put right, is therefore followed until the process ends.
    """

    def __init__(
        self,
        wall: Clock = utc_clock,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        lead: dt.datetime | None = None,
    ) -> None:
        """Take over two clocks, the machine's own, and the lead that another process of the machine saw."""
        self._wall, self._monotonic = wall, monotonic
        self._lead = self._seen() if lead is None else max(lead, self._seen())

    @property
    def lead(self) -> dt.datetime:
        """What the wall clock showed when the monotonic one began, by the greatest lead so far."""
        return self._lead

    def catch_up(self, written: dt.datetime) -> None:
        """Never be behind what was written last: it would lie ahead, and withhold nothing until then.

        Raises:
            RecsysError: It is behind by so much that one of the two clocks was wrong.
        """
        behind = written - self()
        if behind > MOST_BEHIND:
            raise RecsysError(
                f"is {behind.total_seconds():,.0f} seconds behind the newest record of the audit log",
                where="the machine's clock",
                mend="Put it right; if it was ahead by mistake when that was written, start once with accept_clock",
            )
        self._lead = max(self._lead, written - dt.timedelta(seconds=self._monotonic()))

    def __call__(self) -> dt.datetime:
        """Now."""
        self._lead = max(self._lead, self._seen())
        return self._lead + dt.timedelta(seconds=self._monotonic())

    def _seen(self) -> dt.datetime:
        wall = self._wall()  # first: being held up between the two makes the lead smaller, and not greater
        return wall - dt.timedelta(seconds=self._monotonic())


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
