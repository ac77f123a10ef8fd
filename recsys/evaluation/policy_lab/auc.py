"""AUC: the chance that somebody who has a trait is scored above somebody who has not. A half is guessing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.intervals import RESAMPLES, Estimate, estimates

_BLOCK: Final = 1000  # resamples at a time: bounds memory


def auc_within(scores: NDArray[np.float64], positive: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """The share of pairs (with, without) of the same fold that are in the right order; ties count half.

    Scores of different folds come from different fits, and are not compared.
    """
    ones = np.ones((1, len(scores)))
    return float(_weighted(ones, scores, positive, fold)[0])


def estimate_aucs(
    scores: Sequence[NDArray[np.float64]],
    positive: NDArray[np.bool_],
    fold: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[list[Estimate], list[Estimate]]:
    """The AUC of several scorers on the same S subjects, and the first minus each: percentile bootstrap, paired.

    Args:
        scores: float64 [S] each.
        positive: bool [S].
        fold: int64 [S]; each fold holds somebody with the trait and somebody without.
        rng: Draws the resamples of subjects, the same for all scorers.
    """
    subjects = len(positive)
    drawn: list[list[NDArray[np.float64]]] = [[] for _ in scores]
    for start in range(0, RESAMPLES, _BLOCK):
        many = min(_BLOCK, RESAMPLES - start)
        weights = rng.multinomial(subjects, np.full(subjects, 1 / subjects), many).astype(np.float64)
        for of_scorer, values in zip(drawn, scores, strict=True):
            of_scorer.append(_weighted(weights, values, positive, fold))
    exact = np.array([auc_within(values, positive, fold) for values in scores])
    resampled = np.stack([np.concatenate(parts) for parts in drawn], axis=1)
    return estimates(exact, resampled), estimates(exact[0] - exact, resampled[:, :1] - resampled)


def _weighted(
    weights: NDArray[np.float64], scores: NDArray[np.float64], positive: NDArray[np.bool_], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """For R weightings of the subjects [R, S]: right pairs by all pairs, within folds. float64 [R]."""
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for number in np.unique(fold):
        having, lacking = (np.flatnonzero((fold == number) & flags) for flags in (positive, ~positive))
        above = scores[having][:, None] - scores[lacking][None, :]
        order = (np.sign(above) + 1) / 2
        of_having, of_lacking = weights[:, having], weights[:, lacking]
        right += ((of_having @ order) * of_lacking).sum(axis=1)
        pairs += of_having.sum(axis=1) * of_lacking.sum(axis=1)
    return right / np.maximum(pairs, 1)
