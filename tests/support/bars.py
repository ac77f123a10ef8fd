"""A figure that was measured, and the bar that it has to hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A figure, and what it may be at most, or has to be at least."""

    name: str
    value: float
    most: float = math.inf
    least: float = -math.inf

    @property
    def held(self) -> bool:
        """NaN holds nothing."""
        return self.least <= self.value <= self.most

    def __str__(self) -> str:
        bound = f"at most {self.most:g}" if self.most < math.inf else f"at least {self.least:g}"
        return f"{'held  ' if self.held else 'MISSED'}  {self.name:<58} {self.value:10.2f}  {bound}"


def status_of(bars: Iterable[Bar]) -> int:
    """What a program that measured them ends with."""
    return 0 if all(bar.held for bar in bars) else 1
