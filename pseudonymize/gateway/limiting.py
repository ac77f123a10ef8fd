"""How fast a caller may ask: values a minute, by a sliding window, in this process's memory."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from pseudonymize.gateway.callers import Caller
from web.problems import Kind, ProblemError, misfit

TOO_FAST: Final = Kind("too-fast", "More values than the key may ask for in a minute", HTTPStatus.TOO_MANY_REQUESTS)


class Limiting:
    """Counts what each key asked for. A gateway that is started again begins anew."""

    def __init__(self) -> None:
        self._windows = SlidingWindowCounterRateLimiter(MemoryStorage())

    def spend(self, caller: Caller, values: int) -> None:
        """Take so many values from what a key has left, or raise a `ProblemError` and take none."""
        if values > caller.per_minute:
            mend = "Send fewer at a time, or ask the custodian for a key with more"
            raise misfit(f"holds more values than the key's {caller.per_minute} a minute", "$.values", mend)
        limit = RateLimitItemPerMinute(caller.per_minute)
        if not self._windows.hit(limit, caller.key_id, cost=values):
            reset, _ = self._windows.get_window_stats(limit, caller.key_id)
            wait = max(math.ceil(reset - time.time()), 1)
            raise ProblemError(
                TOO_FAST.problem(f"The key may ask for {caller.per_minute} values a minute"), {"Retry-After": str(wait)}
            )
