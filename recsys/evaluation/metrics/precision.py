"""Precision: how much of a list is relevant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.judged import Judged


def precision(judged: Judged) -> NDArray[np.float64]:
    """Precision@k of each subject, float64 [S], from 0 to 1.

        precision = hits in the first k / k

    The denominator is k even where a list is shorter or fewer than k items were relevant: an empty place is a place
    that nothing was gained from, and a person with one relevant item can reach 1 / k.

    One relevant item, found in the second of four places: 1 / 4.

    >>> precision(Judged(np.array([[False, True, False, False]]), np.array([1])))
    array([0.25])
    """
    return np.asarray(judged.hits.sum(axis=1) / judged.k, np.float64)
