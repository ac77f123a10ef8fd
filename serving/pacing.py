"""Pacing: what failed is tried again, each time after a longer pause, and at once where something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds, by how often it failed so


@dataclass(frozen=True, slots=True)
class _Failed:
    times: int
    until: float
    seen: Hashable


class Pacing:
    """Remembers what failed, how often, and what was to be seen then.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, _Failed] = {}

    def due(self, what: str, seen: Hashable) -> bool:
        """Whether to try now: it did not fail before, its pause is over, or there is something else to be seen."""
        failed = self._failed.get(what)
        return failed is None or failed.seen != seen or self._clock() >= failed.until

    def failed(self, what: str, seen: Hashable) -> None:
        """It failed, with that to be seen: the next pause is longer, unless something has changed since the last."""
        before = self._failed.get(what)
        times = before.times + 1 if before is not None and before.seen == seen else 0
        pause = _PAUSES[min(times, len(_PAUSES) - 1)]
        self._failed[what] = _Failed(times, self._clock() + pause, seen)

    def went_well(self, what: str) -> None:
        """It went well, or there was nothing to do."""
        self._failed.pop(what, None)
