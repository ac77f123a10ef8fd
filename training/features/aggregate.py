"""A history, one number a model item: what the families of features are made of. Shapes: B histories, L items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.model_histories import ModelHistories

Doubles = NDArray[np.float64]

SCALES: Final = (0.5, 2.0, 8.0)  # half-lives, in time scales
TRIPS: Final = (2.0, 8.0, 20.0)  # half-lives, in shopping days; the last is GP-Pop's
RECENT: Final = 3.0  # shopping days that count as the last ones
NEVER_DAYS: Final = 16.0  # time scales: how long ago, for what was never bought
NEVER_TRIPS: Final = 128.0


@dataclass(frozen=True)
class Aggregates:
    """What each of B histories says of each of its L model items; zero for padding.

    Args:
        bought: bool [B, L]; false for padding.
        days: float64 [B, L], purchase days.
        decayed: float64 [B, L, 3]: the same, halved every `SCALES` time scales.
        by_trips: float64 [B, L, 3]: the same, halved every `TRIPS` shopping days.
        last, first: float64 [B, L], days since the newest and the oldest purchase.
        trip: float64 [B, L], shopping days since the newest purchase.
        quantity: float64 [B, L], the sum.
    """

    bought: NDArray[np.bool_]
    days: Doubles
    decayed: Doubles
    by_trips: Doubles
    last: Doubles
    first: Doubles
    trip: Doubles
    quantity: Doubles


def aggregate(histories: ModelHistories, tau: float) -> Aggregates:
    """Aggregate, with τ as the time scale."""
    shape = histories.items.shape
    real = histories.quantities > 0
    cell = (np.arange(shape[0])[:, None] * shape[1] + histories.slots)[real]
    age, trip = histories.ages[real].astype(np.float64), histories.trips[real].astype(np.float64)

    def summed(weight: Doubles) -> Doubles:
        return np.bincount(cell, weight, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    def least(values: Doubles) -> Doubles:
        found = np.full(shape[0] * shape[1], np.inf)
        np.minimum.at(found, cell, values)
        return np.where(np.isfinite(found), found, 0).reshape(shape)

    days = summed(np.ones(len(cell)))
    return Aggregates(
        bought=days > 0,
        days=days,
        decayed=np.stack([summed(np.exp2(-age / (scale * tau))) for scale in SCALES], axis=2),
        by_trips=np.stack([summed(np.exp2(-trip / half_life)) for half_life in TRIPS], axis=2),
        last=least(age),
        first=-least(-age),
        trip=least(trip),
        quantity=summed(histories.quantities[real].astype(np.float64)),
    )
