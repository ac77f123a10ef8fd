"""Exact top-k: the best of what is allowed, with ties broken by a stated rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_k(
    scores: NDArray[np.floating], allowed: NDArray[np.bool_], k: int, priority: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The positions of the k best allowed candidates, best first; fewer where fewer are allowed.

    A score that is not finite is never returned. Ties go to the higher priority, then to the earlier position.

    Args:
        scores: [C].
        allowed: bool [C].
        k: At least 1.
        priority: int64 [C]; None: all equal.
    """
    able = np.flatnonzero(allowed & np.isfinite(scores))
    if len(able) > k:
        kth = np.partition(scores[able], len(able) - k)[len(able) - k]
        able = able[scores[able] >= kth]
    ties = np.zeros(len(able), np.int64) if priority is None else -priority[able]
    return able[np.lexsort((able, ties, -scores[able]))][:k]
