"""What lists are like beyond being right: how surprising, how popular, how much of the catalogue.

All take `lists`, int64 [S, k], items best first and -1 where a list is shorter, and `popularity`, float64 [items], the
share of all subjects who had bought each item before the window, above 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def novelty(lists: NDArray[np.int64], popularity: Doubles) -> Doubles:
    """Self-information of the listed items, in bits, float64 [S]; of an empty list 0.

        novelty = (Σ over the listed items of -log2(popularity)) / items listed

    The denominator is the length of the list as it is. An item that everybody buys says nothing (0 bits); one that one
    subject in 1,024 buys says 10 bits (Zhou et al., 2010).

    Half of all buy the first item, a quarter the second: (1 + 2) / 2.

    >>> novelty(np.array([[0, 1, -1]]), np.array([0.5, 0.25]))
    array([1.5])
    """
    return _mean(-np.log2(popularity), lists)


def popularity_bias(lists: NDArray[np.int64], popularity: Doubles, own: Doubles) -> Doubles:
    """How much more popular a list is than what its subject buys, float64 [S], from -1 to 1; of an empty list 0.

        bias = (Σ over the listed items of popularity) / items listed - own

    The denominator is the length of the list as it is; `own`, float64 [S], is the same mean over the different items
    that the subject had bought before the window. 0: as popular as their taste; above it, the list pushes bestsellers
    (the popularity lift of Abdollahpouri et al., 2019, as a difference, so that niche tastes do not divide by little).

    The listed items are bought by .5 and .25 of all, their own by .2 in the mean: .375 - .2.

    >>> popularity_bias(np.array([[0, 1]]), np.array([0.5, 0.25]), np.array([0.2])).round(3)
    array([0.175])
    """
    return np.asarray(np.where((lists >= 0).any(axis=1), _mean(popularity, lists) - own, 0.0), np.float64)


def coverage(lists: NDArray[np.int64], items: int) -> float:
    """The share of the catalogue that somebody is shown, from 0 to 1.

        coverage = different items in the lists of all subjects / items

    The denominator is the number of items that could be listed. Two lists of two out of four items, one in both: 3 / 4.

    >>> coverage(np.array([[0, 1], [1, 2]]), 4)
    0.75
    """
    return len(np.unique(lists[lists >= 0])) / items


def _mean(values: Doubles, lists: NDArray[np.int64]) -> Doubles:
    named = lists >= 0
    summed = np.where(named, values[np.where(named, lists, 0)], 0.0).sum(axis=1)
    return np.asarray(summed / np.maximum(named.sum(axis=1), 1), np.float64)
