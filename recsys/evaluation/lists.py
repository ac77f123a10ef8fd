"""The best k of every row at once, by the very rule of `recsys.top_k.top_k`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_lists(scores: NDArray[np.floating], k: int, *, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """int64 [B, k]: for each row the positions of the k best allowed candidates, best first; -1 where there are fewer.

    A score that is not finite is never returned; ties go to the earlier position.

    Args:
        scores: [B, C].
        k: At least 1.
        allowed: bool [B, C]; None: all.
    """
    able = np.isfinite(scores) if allowed is None else allowed & np.isfinite(scores)
    masked = np.where(able, scores, -np.inf)
    length = min(k, masked.shape[1])
    chosen = _chosen(masked, length)
    order = np.argsort(-np.take_along_axis(masked, chosen, axis=1), axis=1, kind="stable")
    ranked = np.take_along_axis(chosen, order, axis=1)
    lists = np.full((len(scores), k), -1, np.int64)
    lists[:, :length] = np.where(np.take_along_axis(able, ranked, axis=1), ranked, -1)
    return lists


def _chosen(masked: NDArray[np.floating], length: int) -> NDArray[np.int64]:
    """int64 [B, length]: the positions of the best of each row in ascending order, of ties the earliest."""
    places = masked.shape[1] - length
    threshold = np.partition(masked, places, axis=1)[:, places, None]
    above, level = masked > threshold, masked == threshold
    wanted = length - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= wanted))
    return np.nonzero(chosen)[1].reshape(len(masked), length)
