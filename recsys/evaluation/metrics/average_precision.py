"""Average precision: right items, each by how clean the list is down to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.metrics.judged import Judged


def average_precision(judged: Judged) -> NDArray[np.float64]:
    """AP@k of each subject, float64 [S], from 0 to 1; its mean over subjects is MAP@k.

        AP = (Σ over the places r = 1 … k that hold a relevant item of hits in the first r / r) / min(k, relevant)

    The denominator is bounded by k, as that of recall: ten places cannot hold thirty items. (TREC's `map_cut` divides
    by all that is relevant; the two agree where no more than k are.)

    Two relevant items, places 1 and 3 right: (1/1 + 2/3) / 2.

    >>> average_precision(Judged(np.array([[True, False, True]]), np.array([2]))).round(4)
    array([0.8333])
    """
    places = np.arange(1, judged.k + 1)
    precision = np.cumsum(judged.hits, axis=1) / places
    return np.asarray((precision * judged.hits).sum(axis=1) / np.minimum(judged.relevant, judged.k), np.float64)
