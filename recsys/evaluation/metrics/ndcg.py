"""Normalised discounted cumulative gain: right items, and in the first places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.judged import Judged


def ndcg(judged: Judged) -> NDArray[np.float64]:
    """NDCG@k of each subject, float64 [S], from 0 to 1.

        DCG  = Σ over the places r = 1 … k that hold a relevant item of 1 / log2(r + 1)
        NDCG = DCG / (Σ over r = 1 … min(k, relevant) of 1 / log2(r + 1))

    The denominator is the DCG of the best list that this subject could have had: a person with two relevant items
    reaches 1 with these two in front (Järvelin and Kekäläinen, 2002, with binary gains).

    Two relevant items, places 1 and 3 right: (1 + 1 / log2 4) / (1 + 1 / log2 3) = 1.5 / 1.6309.

    >>> ndcg(Judged(np.array([[True, False, True]]), np.array([2]))).round(4)
    array([0.9197])
    """
    discount = 1 / np.log2(np.arange(2, judged.k + 2))
    ideal = np.cumsum(discount)[np.minimum(judged.relevant, judged.k) - 1]
    return np.asarray(judged.hits @ discount / ideal, np.float64)
