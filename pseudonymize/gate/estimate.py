"""A share that was measured, on everybody or on some, and how sure it is."""

from __future__ import annotations

import math
from typing import Final

import msgspec

_Z: Final = 1.959963984540054  # the normal distribution's 97.5 % point


class Estimate(msgspec.Struct, frozen=True):
    """`hits` of `tried`; a hit may be a fraction, where chance has to decide.

    `low` and `high` bound the share with 95 % confidence (Wilson 1927), wide enough also where nothing was hit. Where
    everybody was tried and nothing was drawn, the share is exact, and so are they.
    """

    hits: float
    tried: int
    exact: bool = False

    @property
    def share(self) -> float:
        """The share itself; 0 of nobody."""
        return self.hits / self.tried if self.tried else 0.0

    @property
    def low(self) -> float:
        """What the share is at least."""
        return self._bounds()[0]

    @property
    def high(self) -> float:
        """What the share is at most: the gate judges by this."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[float, float]:
        if self.exact:
            return self.share, self.share
        if not self.tried:
            return 0.0, 1.0
        n, p = self.tried, self.share
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)
