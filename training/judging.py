"""NDCG@10 of scores on examples, at the two tasks, and which settings are better by it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.lists import top_lists
from recsys.evaluation.metrics import Judged
from recsys.evaluation.metrics.ndcg import ndcg

PLACES = 10


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean NDCG@10: of all that was bought next, and of what was bought for the first time."""

    mixed: float
    novel: float

    @classmethod
    def of(cls, parts: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Quality:
        """The means of what `judged` found, 0 where there was nothing to judge."""
        tasks = zip((np.empty(0), np.empty(0)), *parts, strict=True)
        means = (np.concatenate(values) for values in tasks)
        return cls(*(float(values.mean()) if len(values) else 0.0 for values in means))

    def against(self, other: Quality) -> float:
        """How much better than another, relatively, both tasks summed."""
        tasks = ((self.mixed, other.mixed), (self.novel, other.novel))
        return sum(mine / max(theirs, 1e-9) for mine, theirs in tasks)


Scored = tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


def quality(batches: Iterable[Scored]) -> Quality:
    """Judge scores [B, M] with what was bought next, what had been bought, and what may be listed, bool [B, M] each."""
    return Quality.of(judged(scored) for scored in batches)


def judged(scored: Scored) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """NDCG@10 of each list, mixed and novel, of those who bought something that could have been listed."""
    scores, relevant, bought, candidates = scored
    return _judged(scores, relevant, candidates), _judged(scores, relevant & ~bought, candidates & ~bought)


def _judged(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    some = np.flatnonzero(relevant.any(axis=1))
    if not len(some):
        return np.empty(0)
    return ndcg(Judged.of(top_lists(scores[some], PLACES, allowed=allowed[some]), relevant[some]))
