"""Candidates for ranking a whole catalogue: everything where that is cheap, else what three sources name."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.lists import top_lists
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer

EVERYTHING: Final = 2_500  # model items up to which all are candidates
FROM_FACTORS: Final = 200
FROM_POPULARITY: Final = 50
POPULAR_BY: Final = ("popularity_30d", "popularity_1d")
_BATCH: Final = 64
_CELLS: Final = 2**23  # affinities of one batch: bounds memory


def candidate_scores(
    scorer: Scorer, histories: ModelHistories, *, everything: bool | None = None
) -> NDArray[np.float32]:
    """float32 [B, model items]: the scores of the candidates, -inf for the rest and for those without a history.

    Args:
        scorer: Of the bundle.
        histories: B subjects.
        everything: Whether all items are candidates; None: up to 2,500 they are.
    """
    size = len(scorer.vocabulary)
    if size <= EVERYTHING if everything is None else everything:
        scores = scorer.score(histories, np.arange(size))
    else:
        scores = np.full((len(histories), size), -np.inf, np.float32)
        step = max(1, min(_BATCH, _CELLS // size))
        for start in range(0, len(histories), step):
            rows = slice(start, min(start + step, len(histories)))
            scores[rows] = _of_candidates(scorer, histories.rows(rows))
    scores[~histories.known] = -np.inf
    return scores


def _of_candidates(scorer: Scorer, histories: ModelHistories) -> NDArray[np.float32]:
    """Scores of each subject's own candidates. The graph takes one list of candidates: the union of the batch's."""
    size = len(scorer.vocabulary)
    own = np.zeros((len(histories), size + 1), np.bool_)
    np.put_along_axis(own, histories.items, values=True, axis=1)
    own = own[:, :size]
    affinities = scorer.affinities(histories, np.arange(size))
    best = top_lists(affinities, min(FROM_FACTORS, size))
    np.put_along_axis(own, best, values=True, axis=1)
    own[:, popular(scorer)] = True
    union = np.flatnonzero(own.any(axis=0))
    scores = np.full(own.shape, -np.inf, np.float32)
    scores[:, union] = np.where(own[:, union], scorer.score(histories, union), -np.inf)
    return scores


def popular(scorer: Scorer) -> NDArray[np.int64]:
    """int64, ascending: the most popular model items of the last month and of the last day, as far as they sold."""
    codes, found = scorer.vocabulary.encode(scorer.statistics["item"]), []
    for column in POPULAR_BY:
        popularity = scorer.statistics[column].to_numpy()
        most = np.argsort(-popularity, kind="stable")[:FROM_POPULARITY]
        found.append(codes[most[popularity[most] > 0]])
    items = np.unique(np.concatenate(found))
    return items[items >= 0].astype(np.int64)
