"""How a person buys in an item's category. Shapes: B histories, L items, K categories."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.features.aggregate import NEVER_DAYS, NEVER_TRIPS, Aggregates, Doubles

CATEGORY_FEATURES: Final = (
    "log purchase days in the category",
    "log decayed purchase days in the category",
    "log days since the last in the category",
    "log shopping days since the last in the category",
)
DECAY: Final = 1  # of SCALES


def category_days(given: Aggregates, categories: NDArray[np.int64], size: int) -> Doubles:
    """float64 [B, K]: purchase days.

    Args:
        given: Of B histories.
        categories: int64 [B, L], of the history's model items; anything for padding.
        size: K.
    """
    return _summed(given, given.days, categories, size)


def category_features(given: Aggregates, categories: NDArray[np.int64], size: int, tau: float) -> Doubles:
    """float64 [B, K, features]."""
    columns = [
        np.log1p(category_days(given, categories, size)),
        np.log1p(_summed(given, given.decayed[..., DECAY], categories, size)),
        np.log1p(_least(given, given.last, categories, (size, NEVER_DAYS * tau))),
        np.log1p(_least(given, given.trip, categories, (size, NEVER_TRIPS))),
    ]
    return np.stack(columns, axis=2)


def _summed(given: Aggregates, values: Doubles, categories: NDArray[np.int64], size: int) -> Doubles:
    cell = (np.arange(len(values))[:, None] * size + categories)[given.bought]
    return np.bincount(cell, values[given.bought], minlength=len(values) * size).reshape(-1, size).astype(np.float64)


def _least(given: Aggregates, values: Doubles, categories: NDArray[np.int64], shape: tuple[int, float]) -> Doubles:
    size, never = shape
    found = np.full((len(values), size), never)
    rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    np.minimum.at(found, (rows[given.bought], categories[given.bought]), values[given.bought])
    return found
