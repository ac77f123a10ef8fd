"""Recall: how much of what was relevant found a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.judged import Judged


def recall(judged: Judged) -> NDArray[np.float64]:
    """Recall@k of each subject, float64 [S], from 0 to 1.

        recall = hits in the first k / min(k, relevant)

    The denominator is bounded by k, since ten places cannot hold thirty items: a list of k right items has recall 1.

    Five relevant items, three places, two of them right: 2 / min(3, 5).

    >>> recall(Judged(np.array([[True, False, True]]), np.array([5]))).round(4)
    array([0.6667])
    """
    return np.asarray(judged.hits.sum(axis=1) / np.minimum(judged.relevant, judged.k), np.float64)
