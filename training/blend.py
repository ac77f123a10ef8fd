"""What is new to a person: the networks and the factorization are heard alike.

The networks also learn what sold well in the few windows that they saw, which leads them astray among the things that a
person never bought; the factorization knows no windows. Neither is better everywhere, the newest examples do not tell
which one will be, and the mean of both loses little to the better one (docs/adr/0025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.features.assemble import FEATURES
from training.sampling import Rows

SHARE: Final = 0.5  # of the factorization, where much is known of a person
_FAMILIAR: Final = 30.0  # different items known of a person, for half of the share
_BOUGHT: Final = FEATURES.index("own: bought")
_SCORE: Final = FEATURES.index("collaborative: log folded-in score")
_DIFFERENT: Final = FEATURES.index("person: log different items")


@dataclass(frozen=True, slots=True)
class Blend:
    """Log odds of the networks and of the factorization, for what was never bought; the networks' for the rest.

    Args:
        slope: Of the factorization's log odds over the log folded-in score.
        intercept: Of its log odds.
    """

    slope: float
    intercept: float

    @classmethod
    def of(cls, rows: Rows) -> Blend | None:
        """What folded-in scores mean, learned from what was never bought before (Platt, 1999); None without any."""
        new = rows.features[:, _BOUGHT] == 0
        score, weight = rows.features[new, _SCORE][:, None], (rows.weight * _share(rows.features))[new]
        if not weight.any() or len(np.unique(rows.bought[new])) < 2:  # noqa: PLR2004 - bought and not
            return None
        line = LogisticRegression(C=np.inf).fit(score, rows.bought[new], weight)
        return cls(float(line.coef_[0, 0]), float(line.intercept_[0]))

    def __call__(self, log_odds: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [P]: the networks' log odds, blended.

        Args:
            log_odds: float32 [P].
            features: float32 [P, features].
        """
        share = _share(features) * (features[:, _BOUGHT] == 0)
        heard = self.slope * features[:, _SCORE] + self.intercept
        return np.asarray((1 - share) * log_odds + share * heard, np.float32)


def _share(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [P]: the factorization's, the less the less is known of the person of each row."""
    different = np.expm1(features[:, _DIFFERENT])
    return np.asarray(SHARE * different / (different + _FAMILIAR), np.float32)
