"""Parity: what the graph answers, through the very scorer that serves, against NumPy and scikit-learn in doubles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.evaluation.lists import top_lists
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.features.assemble import Lens, Seen
from training.ranker import Ranker

CANDIDATES: Final = 2_000
EXPLAINED: Final = 10
TOP: Final = 20

TOLERANCES: Final = {
    "fold_difference": 1e-5,
    "score_difference": 1e-4,
    "batch_difference": 1e-6,
    "contribution_difference": 1e-4,
}
SAME_TOP: Final = 0.999
_TIED: Final = 1e-6  # chances that near to each other are as good as equal


@dataclass(frozen=True, slots=True)
class Native:
    """The model as it was learned, for the graph to be held against.

    Args:
        lens: What histories are looked at through.
        ranker: None: the folded-in score is the score.
    """

    lens: Lens
    ranker: Ranker | None

    def affinities(self, seen: Seen, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 [B, C], with every history solved exactly."""
        return np.asarray(seen.people @ self.lens.fold.item_factors[candidates].astype(np.float64).T)

    def scores(self, seen: Seen, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 [B, C]."""
        if self.ranker is None:
            return self.affinities(seen, candidates)
        row, column = np.divmod(np.arange(len(seen.people) * len(candidates)), len(candidates))
        return self.ranker.predict(seen.features(row, candidates[column])).reshape(-1, len(candidates))


def parity(bundle: Bundle, native: Native, histories: ModelHistories) -> dict[str, float]:
    """Compare on histories that nobody learned from.

    Args:
        bundle: Whose graph is on trial.
        native: What it should answer.
        histories: A few hundred, as `training.unseen` makes them: woven of the pasts of two people, cut at another day,
            short ones of 0, 1, 2 and 5 purchases, and one as long as a scorer lets one be.

    Returns:
        Largest absolute differences: `fold_difference` of a folded-in score from the exact one, `score_difference` of a
        score from the native one, `batch_difference` of a score computed alone from the same among all,
        `contribution_difference` of the sum of a folded-in score's addends from it. `same_top`: the share of histories
        whose top 20 holds nothing that is not in the native one, but for ties. `histories`.
    """
    scorer = Scorer(bundle)
    candidates, explained = (_spread(len(bundle.vocabulary), size) for size in (CANDIDATES, EXPLAINED))
    seen = Seen.of(histories, scorer.items[:-1], native.lens)
    expected, together = native.scores(seen, candidates), scorer.score(histories, candidates)
    alone = np.concatenate(
        [scorer.score(histories.rows(slice(row, row + 1)), candidates) for row in range(len(histories))]
    )
    affinities = scorer.affinities(histories, candidates)
    sums = scorer.contributions(histories, explained).sum(axis=2, dtype=np.float64)
    return {
        "histories": float(len(histories)),
        "fold_difference": _largest(affinities - native.affinities(seen, candidates)),
        "score_difference": _largest(together - expected),
        "batch_difference": _largest(together - alone),
        "contribution_difference": _largest(sums - scorer.affinities(histories, explained)),
        "same_top": _same_top(together, expected),
    }


def agrees(figures: dict[str, float]) -> bool:
    """Whether every difference is within its tolerance; one that is not a number is not."""
    within = all(figures[name] <= tolerance for name, tolerance in TOLERANCES.items())
    return within and figures["same_top"] >= SAME_TOP


def _same_top(scores: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    if not np.isfinite(scores).all():
        return 0.0
    lists = top_lists(scores, min(TOP, scores.shape[1]))
    worst = np.take_along_axis(expected, lists, axis=1).min(axis=1)
    due = np.take_along_axis(expected, top_lists(expected, lists.shape[1]), axis=1).min(axis=1)
    return float((worst >= due - _TIED).mean())


def _spread(size: int, wanted: int) -> NDArray[np.int64]:
    """So many numbers below `size`, evenly spread; all where there are fewer."""
    return np.unique(np.linspace(0, size - 1, min(size, wanted)).astype(np.int64))


def _largest(differences: NDArray[np.floating]) -> float:
    return float(np.abs(differences).max(initial=0))
