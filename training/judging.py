"""NDCG@10 of scores on examples, at the two tasks."""

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


Scored = tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


def quality(batches: Iterable[Scored]) -> Quality:
    """Judge scores [B, M] with what was bought next, what had been bought, and what may be listed, bool [B, M] each."""
    mixed, novel = [np.empty(0)], [np.empty(0)]
    for batch in batches:
        of_mixed, of_novel = by_subject(batch)
        mixed.append(of_mixed)
        novel.append(of_novel)
    means = (np.concatenate(values) for values in (mixed, novel))
    return Quality(*(float(values.mean()) if len(values) else 0.0 for values in means))


def by_subject(scored: Scored) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mixed and novel NDCG@10 of each subject who bought anything next, and anything new."""
    scores, relevant, bought, candidates = scored
    return _judged(scores, relevant, candidates), _judged(scores, relevant & ~bought, candidates & ~bought)


def _judged(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    some = np.flatnonzero(relevant.any(axis=1))
    if not len(some):
        return np.empty(0)
    return ndcg(Judged.of(top_lists(scores[some], PLACES, allowed=allowed[some]), relevant[some]))
