"""How fast a caller may ask: values a minute, by a sliding window, in this process's memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pseudonymize.gateway.callers import Caller
from web.problems import Kind, ProblemError, misfit

TOO_FAST: Final = Kind("too-fast", "More values than the key may ask for in a minute", HTTPStatus.TOO_MANY_REQUESTS)

_WINDOW: Final = 60.0  # seconds


@dataclass(slots=True)
class _Spent:
    """Values in the window of that number, and in the one before it."""

    window: int = -1
    now: int = 0
    before: int = 0

    def follow(self, window: int) -> None:
        if window != self.window:
            self.before = self.now if window == self.window + 1 else 0
            self.window, self.now = window, 0


class Limiting:
    """Counts what each key asked for. A gateway that is started again begins anew.

    What was asked in the last minute is taken to be this window's values, and of the window before as large a share as
    lies in the minute. (The library `limits` does the same, with a thread of its own every few requests.)

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[str, _Spent] = {}

    def spend(self, caller: Caller, values: int) -> None:
        """Take so many values from what a key has left, or raise a `ProblemError` and take none."""
        if values > caller.per_minute:
            mend = "Send fewer at a time, or ask the custodian for a key with more"
            raise misfit(f"holds more values than the key's {caller.per_minute} a minute", "$.values", mend)
        window, since = divmod(self._clock(), _WINDOW)
        spent = self._spent.setdefault(caller.key_id, _Spent())
        spent.follow(int(window))
        wait = _wait(spent, since, caller.per_minute - values)
        if wait > 0:
            problem = TOO_FAST.problem(f"The key may ask for {caller.per_minute} values a minute")
            raise ProblemError(problem, {"Retry-After": str(math.ceil(wait))})
        spent.now += values


def _wait(spent: _Spent, since: float, room: int) -> float:
    """Seconds, or less than none, until what was spent fits into `room`."""
    if spent.now <= room:
        return _faded(spent.before, room - spent.now) - since
    return _WINDOW - since + _faded(spent.now, room)


def _faded(values: int, room: int) -> float:
    """Seconds into a window until so much as `room` is left of the values of the one before."""
    return _WINDOW * (1 - room / values) if values > room else 0.0
