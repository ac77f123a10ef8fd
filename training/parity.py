"""Parity: what the graph answers, through the very scorer that serves, against the exact solution."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.bundle import Bundle
from recsys.history import Histories
from recsys.ranking import top_k
from recsys.scorer import ModelHistories, Scorer
from training.graph.reference import FoldIn

HISTORIES: Final = 256
CANDIDATES: Final = 5_000
EXPLAINED: Final = 10
TOP: Final = 20

TOLERANCES: Final = {"score_difference": 1e-5, "batch_difference": 1e-6, "contribution_difference": 1e-4}


def parity(bundle: Bundle, fold: FoldIn, counts: sparse.csr_matrix) -> dict[str, float]:
    """Compare on up to 256 real histories, from the shortest to the longest.

    Two lists of the same person can differ only where scores lie within twice `batch_difference` of each other, as good
    as tied; so `same_top` is told, and `batch_difference` is what must hold.

    Args:
        bundle: Whose graph is on trial.
        fold: The same fold-in, solved exactly in double precision.
        counts: Purchase days of the training set, [N, M].

    Returns:
        Largest absolute differences: `score_difference` of a score from the exact one, `batch_difference` of a score
        computed alone from the same among others, `contribution_difference` of the sum of a score's addends from the
        score. `same_top`: the share of histories whose top 20 is the same list alone and with others. `histories`.
    """
    scorer = Scorer(bundle)
    histories = _histories(counts, scorer)
    rows = range(len(histories.items))
    candidates, explained = _spread(counts.shape[1], CANDIDATES), _spread(counts.shape[1], EXPLAINED)
    together = scorer.score(histories, candidates)
    alone = np.concatenate([scorer.score(_only(histories, row), candidates) for row in rows])
    exact = np.stack([fold.scores(*_bought(histories, row), candidates) for row in rows])
    sums = scorer.contributions(histories, explained).sum(axis=2, dtype=np.float64)
    return {
        "histories": float(len(rows)),
        "score_difference": _largest(together - exact),
        "batch_difference": _largest(together - alone),
        "contribution_difference": _largest(sums - scorer.score(histories, explained)),
        "same_top": float(np.mean([np.array_equal(_top(alone[row]), _top(together[row])) for row in rows])),
    }


def agrees(figures: dict[str, float]) -> bool:
    """Whether every difference is within its tolerance; one that is not a number is not."""
    return all(figures[name] <= tolerance for name, tolerance in TOLERANCES.items())


def _histories(counts: sparse.csr_matrix, scorer: Scorer) -> ModelHistories:
    """Rows of the matrix as histories: a count of three becomes three days, which the scorer folds again."""
    by_length = np.argsort(np.diff(counts.indptr), kind="stable")
    picked = counts[by_length[_spread(len(by_length), HISTORIES)]]
    days = picked.data.astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(days)])
    total = int(ends[-1])
    histories = Histories(
        subjects=tuple(str(row) for row in range(picked.shape[0])),
        offsets=ends[picked.indptr],
        item=np.repeat(picked.indices, days),
        day=(np.arange(total) - np.repeat(ends[:-1], days)).astype(np.int32),
        quantity=np.ones(total, np.float32),
        baskets=np.ones(total, np.int32),
    )
    return scorer.fold(histories, np.arange(counts.shape[1], dtype=np.int32))


def _spread(size: int, wanted: int) -> NDArray[np.int64]:
    """So many numbers below `size`, evenly spread; all where there are fewer."""
    return np.unique(np.linspace(0, size - 1, min(size, wanted)).astype(np.int64))


def _only(histories: ModelHistories, row: int) -> ModelHistories:
    return ModelHistories(histories.items[row : row + 1], histories.counts[row : row + 1])


def _bought(histories: ModelHistories, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    known = histories.counts[row] > 0
    return histories.items[row, known], histories.counts[row, known]


def _largest(differences: NDArray[np.floating]) -> float:
    return float(np.abs(differences).max())


def _top(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    return top_k(scores, np.ones(len(scores), np.bool_), TOP)
