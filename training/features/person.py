"""How a person shops: how often, how much, how faithfully."""

from __future__ import annotations

from typing import Final

import numpy as np

from recsys.model_histories import ModelHistories
from training.features.aggregate import RECENT, Aggregates, Doubles

PERSON_FEATURES: Final = (
    "log shopping days",
    "log different items",
    "log days since the last shopping day",
    "log days between shopping days",
    "log basket size",
    "log size of the last baskets",
    "share of repeats",
)


def trips_of(histories: ModelHistories) -> Doubles:
    """float64 [B]: on how many days each subject bought anything."""
    last = np.where(histories.quantities > 0, histories.trips + 1, 0)
    return np.asarray(last.max(axis=1, initial=0), np.float64)


def person_features(histories: ModelHistories, given: Aggregates) -> Doubles:
    """float64 [B, features]; without any history all zero."""
    real = histories.quantities > 0
    trips = trips_of(histories)
    different, total = given.bought.sum(axis=1), given.days.sum(axis=1)
    oldest, newest = given.first.max(axis=1), np.where(given.bought, given.last, np.inf).min(axis=1)
    newest = np.where(np.isfinite(newest), newest, 0)
    recent = (real & (histories.trips < RECENT)).sum(axis=1)
    columns = [
        np.log1p(trips),
        np.log1p(different),
        np.log1p(newest),
        np.log1p((oldest - newest) / np.maximum(trips - 1, 1)),
        np.log1p(total / np.maximum(trips, 1)),
        np.log1p(recent / np.clip(trips, 1, RECENT)),
        1 - different / np.maximum(total, 1),
    ]
    return np.asarray(np.stack(columns, axis=1) * (total > 0)[:, None], np.float64)
