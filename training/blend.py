"""What is new to a person: how far the factorization is heard beside the networks.

The networks also learn what sold well in the few windows that they saw, and where there are few it leads them astray
among the things that a person never bought; the factorization knows no windows (docs/adr/0025). So the log odds of such
things are a mean of both, weighted as it was best on the newest examples for networks that had not seen them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.features.assemble import FEATURES
from training.judging import Quality, Scored, judged
from training.ranker import Ranker
from training.sampling import Batch, Rows

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
UNTRIED: Final = 0.5  # where there are no examples to choose on: both alike
_FAMILIAR: Final = 30.0  # different items known of a person, for half of the share
_BOUGHT: Final = FEATURES.index("own: bought")
_SCORE: Final = FEATURES.index("collaborative: log folded-in score")
_DIFFERENT: Final = FEATURES.index("person: log different items")


@dataclass(frozen=True, slots=True)
class Blend:
    """Log odds of the networks and of the factorization, for what was never bought; the networks' for the rest.

    Args:
        share: The factorization's weight for someone who is well known; for others the less, the less is known.
        slope: Of its log odds over the log folded-in score.
        intercept: Of its log odds.
    """

    share: float
    slope: float
    intercept: float

    @classmethod
    def of(cls, rows: Rows, share: float = UNTRIED) -> Blend:
        """What folded-in scores mean, learned from what was never bought before (Platt, 1999)."""
        new = rows.features[:, _BOUGHT] == 0
        score, weight = rows.features[new, _SCORE][:, None], (rows.weight * _known(rows.features))[new]
        if len(np.unique(rows.bought[new])) < 2 or not weight.any():  # noqa: PLR2004 - bought and not
            return cls(0.0, 0.0, 0.0)
        line = LogisticRegression(C=np.inf).fit(score, rows.bought[new], weight)
        return cls(share, float(line.coef_[0, 0]), float(line.intercept_[0]))

    def __call__(self, log_odds: NDArray[np.floating], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [P]: the networks' log odds, blended.

        Args:
            log_odds: [P].
            features: float32 [P, features].
        """
        share = self.share * _known(features) * (features[:, _BOUGHT] == 0)
        heard = self.slope * features[:, _SCORE] + self.intercept
        return np.asarray((1 - share) * log_odds + share * heard, np.float32)


def chosen(blend: Blend, ranker: Ranker, batches: Iterator[Batch]) -> Blend:
    """The share that is best on examples, mixed and novel lists alike.

    Args:
        blend: What folded-in scores mean.
        ranker: It has not learned from the examples.
        batches: The examples.
    """
    tried = [replace(blend, share=share) for share in SHARES]
    parts = ([judged(scored) for scored in _scored(ranker, batch, tried)] for batch in batches)
    qualities = [Quality.of(of_share) for of_share in zip(*parts, strict=True)]
    gains = [found.against(qualities[0]) for found in qualities]
    return tried[int(np.argmax(gains))]


def _scored(ranker: Ranker, batch: Batch, tried: list[Blend]) -> Iterator[Scored]:
    """The candidates' scores of each blend."""
    row, item = np.nonzero(batch.candidates)
    features = batch.seen.features(row, item)
    log_odds = ranker.decision_function(features)
    for blend in tried:
        scores = np.zeros(batch.candidates.shape, np.float32)
        scores[row, item] = blend(log_odds, features)
        yield scores, batch.relevant, batch.bought, batch.candidates


def _known(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [P], from 0 to 1: how well the person of each row is known."""
    different = np.expm1(features[:, _DIFFERENT])
    return np.asarray(different / (different + _FAMILIAR), np.float32)
