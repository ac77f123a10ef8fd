"""What the factorization says: the folded-in score, what the last baskets add to it, and how it stands out.

How a score stands out among those of all items is told by its distance from their mean in standard deviations, both in
closed form: unlike a rank it does not depend on which candidates are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.features.aggregate import Doubles

COLLABORATIVE_FEATURES: Final = (
    "folded-in score",
    "what the last baskets add to it",
    "log folded-in score",
    "distance from the mean score",
)
LEAST: Final = 1e-3  # of a score, for its logarithm
TINY: Final = 1e-6  # of a standard deviation
ALIKE: Final = 1e-4  # of the mean's length: factors that differ by no more are all the same


@dataclass(frozen=True)
class Spread:
    """Mean and covariance of the items' factors, float64 [F] and [F, F]."""

    mean: Doubles
    covariance: Doubles

    @classmethod
    def of(cls, item_factors: NDArray[np.float32]) -> Spread:
        """Over all items that have a factor other than zero.

        Where all are alike, what they differ by is rounding, and a score stands out by its distance as a share of the
        mean: by next to nothing.
        """
        learned = item_factors[item_factors.any(axis=1)].astype(np.float64)
        if not len(learned):
            learned = np.zeros((1, item_factors.shape[1]))
        mean = learned.mean(axis=0)
        if np.square(learned - mean).sum() <= len(learned) * ALIKE**2 * (mean @ mean):
            return cls(mean, np.outer(mean, mean))
        return cls(mean, learned.T @ learned / len(learned) - np.outer(mean, mean))

    def turned(self, turn: Doubles) -> Spread:
        """Of factors times `turn`, float64 [F, F]."""
        return Spread(self.mean @ turn, turn.T @ self.covariance @ turn)

    @cached_property
    def symmetric(self) -> Doubles:
        """The covariance without what rounding left of asymmetry."""
        return (self.covariance + self.covariance.T) / 2


def collaborative_features(
    people: Doubles, rows: NDArray[np.int64], said: tuple[Doubles, Doubles], spread: Spread
) -> Doubles:
    """float64 [P, features] of pairs of a history and a model item.

    Args:
        people: float64 [B, F], folded in.
        rows: int64 [P], the history of each pair.
        said: float64 [P] twice: the folded-in score, and what the last baskets add to it.
        spread: Of all items.
    """
    score, added = said
    mean = people @ spread.mean
    deviation = np.sqrt(np.maximum(((people @ spread.symmetric) * people).sum(axis=1), 0))
    apart = (score - mean[rows]) / np.maximum(deviation, TINY)[rows]
    return np.stack([score, added, np.log(np.maximum(score, LEAST)), apart], axis=1)
