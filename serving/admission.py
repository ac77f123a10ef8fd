"""Admission: how often one key may ask, and how much is answered at once. The rest is refused at once, with a time.

A worker that takes in more than it can answer makes everybody wait; refusing costs a fraction of answering. Rates are
those of the library `limits`, counted in each worker by sliding windows.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Final

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from serving.metrics import Metrics
from web.problems import OVERLOADED, RATE_LIMITED, ProblemError

SMALL_BODY: Final = 16 << 10  # bytes: of each body, what needs no room
MAX_HELD: Final = 32 << 20  # bytes of all bodies that one worker holds, beyond that
_MARGIN: Final = 0.01  # seconds: at the very instant there is no room yet


class TurnedAwayError(ProblemError):
    """Too often, or too much at once."""


class Admission:
    """One worker's door.

    Args:
        places: Requests that are answered at once.
        rate: How much one key may ask, as `limits` writes it; None: as much as there is room for.
        metrics: Counts who is turned away.
    """

    def __init__(self, places: int, rate: str | None, metrics: Metrics) -> None:
        self.places, self._taken, self._held, self._metrics = places, 0, 0, metrics
        self._rates = tuple(parse_many(rate)) if rate else ()
        self._windows = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._windows)

    def count(self, key_id: str) -> None:
        """Count a request of a key, by every rate or, where it is turned away, by none.

        Raises:
            TurnedAwayError: The key asked too often (429).
        """
        full = [rate for rate in self._rates if not self._limiter.test(rate, key_id)]
        if full:
            waits = {rate: self._until_room(rate, key_id) for rate in full}
            rate = max(waits, key=waits.__getitem__)
            self._metrics.turned_away.labels("rate").inc()
            told = RATE_LIMITED.problem(f"A key may ask {rate} of each worker; ask again later")
            raise TurnedAwayError(told, {"Retry-After": str(math.ceil(waits[rate] + _MARGIN))})
        for rate in self._rates:
            self._limiter.hit(rate, key_id)

    @contextlib.contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Hold a body until its request is answered; tell the function how large it is so far.

        The function raises `TurnedAwayError` (503) where there is no room for more. Small bodies always have room: one
        caller with many large ones, half sent, does not keep the others out.
        """
        held = 0

        def growing(size: int) -> None:
            nonlocal held
            more = max(0, size - SMALL_BODY) - held
            if self._held + more > MAX_HELD:
                raise self._too_much()
            held += more
            self._held += more

        try:
            yield growing
        finally:
            self._held -= held

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while a request is answered.

        Raises:
            TurnedAwayError: There is none (503).
        """
        if self._taken >= self.places:
            raise self._too_much()
        self._taken += 1
        self._metrics.in_flight.inc()
        try:
            yield
        finally:
            self._taken -= 1
            self._metrics.in_flight.dec()

    def _until_room(self, rate: RateLimitItem, key_id: str) -> float:
        """Seconds until a request would be taken, if none is meanwhile.

        There is room while p * left / window + c < amount: p requests in the window before, of which `left` seconds
        still count, and c in this one. `limits` itself tells when one request less counts: there may be no room yet.
        """
        window = rate.get_expiry()
        before, left, here, ends = self._windows.get_sliding_window(rate.key_for(key_id), window)
        if here >= rate.amount:
            return ends - window  # then this one is the window before, and loses weight
        return max(0.0, left - (rate.amount - here) * window / before) if before else 0.0

    def _too_much(self) -> TurnedAwayError:
        self._metrics.turned_away.labels("overload").inc()
        return TurnedAwayError(OVERLOADED.problem("Nothing was done; ask again a little later"), {"Retry-After": "1"})
