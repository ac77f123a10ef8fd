"""Intervals of shares, k of n: of 44 out of 44 a bootstrap says [1, 1], as if a forty-fifth could not fail."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from recsys.evaluation.intervals import LEVEL, Estimate
from recsys.evaluation.lazily import lazily

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = lazily("scipy.stats")

_Z: Final = NormalDist().inv_cdf((1 + LEVEL) / 2)


def wilson(hits: int, of: int) -> Estimate:
    """A share with Wilson's score interval (Wilson, 1927).

        (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)

    >>> share = wilson(44, 44)
    >>> share.mean, round(share.low, 3), share.high
    (1.0, 0.92, 1.0)
    """
    p, square = hits / of, _Z**2 / of
    middle = p + square / 2
    half = _Z * math.sqrt(p * (1 - p) / of + square / (4 * of))
    low, high = ((middle + side) / (1 + square) for side in (-half, half))
    return Estimate(p, 0.0 if hits == 0 else low, 1.0 if hits == of else high)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first share minus the second of other people, from their Wilson intervals (Newcombe, 1998, method 10)."""
    gap = first.mean - second.mean
    down = math.hypot(first.mean - first.low, second.high - second.mean)
    up = math.hypot(first.high - first.mean, second.mean - second.low)
    return Estimate(gap, gap - down, gap + up)


def chance_of_difference(hits: tuple[int, int], of: tuple[int, int]) -> float:
    """The two-sided p-value of no difference between two shares: Fisher's exact test."""
    table = [[hit, size - hit] for hit, size in zip(hits, of, strict=True)]
    return float(stats.fisher_exact(table).pvalue)
