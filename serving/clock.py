"""The clock of the service: the real one, or one that starts at a given instant, for replays and demonstrations."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Final

from recsys.errors import RecsysError, UsageError

MOST_APART: Final = dt.timedelta(minutes=5)  # by which two clocks may differ, and one may be put forward
NO_TIME: Final = dt.timedelta(0)
Clock = Callable[[], dt.datetime]


def utc_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def steady_clock() -> float:
    """Seconds that nobody puts. They pass while a machine sleeps, which else looks as if its clock was put forward.

    Where the system does not count those, it does look so.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ForwardClock:
    """Real time in UTC, which goes on where the machine's clock is put back, and where it is put far forward.

    What was said or shown before the clock was put back would else lie ahead, and withhold nothing until then; what
    holds for some time would else be over where it was put forward. It keeps the greatest lead of the wall clock over
    the steady one that it saw, and follows one that is greater by up to five minutes: clocks are put right, and one
    that is made to run faster for it (by 0.05 %) gains that in a week. By how much a greater one is `ahead`, until it
    was put right again, or somebody said that it is right.
    """

    def __init__(
        self,
        wall: Clock = utc_clock,
        steady: Callable[[], float] = steady_clock,
        *,
        lead: dt.datetime | None = None,
    ) -> None:
        """Take over two clocks, the machine's own, and the lead that another process of the machine goes by."""
        self._wall, self._steady = wall, steady
        self._changing = threading.Lock()
        self._lead = self._seen() if lead is None else lead

    @property
    def lead(self) -> dt.datetime:
        """What the wall clock showed when the steady one began, by the greatest lead that was followed."""
        return self._lead

    @property
    def ahead(self) -> dt.timedelta:
        """By how much the machine's clock was put forward and is not followed; no time where it is."""
        return self._look()

    def accept(self) -> None:
        """Take the machine's clock to be right, however far it was put forward."""
        self._look(most=dt.timedelta.max)

    def catch_up(self, written: dt.datetime) -> None:
        """Never be behind what was written last: it would lie ahead, and withhold nothing until then.

        Raises:
            RecsysError: It is behind by so much that one of the two clocks was wrong.
        """
        behind = written - self()
        if behind > MOST_APART:
            raise RecsysError(
                f"is {behind.total_seconds():,.0f} seconds behind the newest record of the audit log",
                where="the machine's clock",
                mend="Put it right; if it was ahead by mistake when that was written, start once with accept_clock",
            )
        with self._changing:
            self._lead = max(self._lead, written - dt.timedelta(seconds=self._steady()))

    def __call__(self) -> dt.datetime:
        """Now."""
        self._look()
        return self._lead + dt.timedelta(seconds=self._steady())

    def _look(self, most: dt.timedelta = MOST_APART) -> dt.timedelta:
        """Follow the machine's clock where it is ahead by no more than that; else by how much it is."""
        with self._changing:
            seen = self._seen()
            ahead = seen - self._lead
            if ahead > most:
                return ahead
            self._lead = max(self._lead, seen)
            return NO_TIME

    def _seen(self) -> dt.datetime:
        wall = self._wall()  # first: being held up between the two makes the lead smaller, and not greater
        return wall - dt.timedelta(seconds=self._steady())


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
