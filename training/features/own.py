"""How a person buys an item: how often, how lately, in what rhythm. What they never bought has constants of absence.

GP-Pop is log(decayed purchase days + g · popularity); its decay is counted in shopping days (evidence: stronger).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.item_table import INTERVAL, PRIOR
from training.features.aggregate import NEVER_DAYS, NEVER_TRIPS, TRIPS, Aggregates, Doubles

OWN_FEATURES: Final = (
    "log purchase days",
    "share",
    *(f"log purchase days, decayed {which}" for which in ("fast", "middling", "slowly")),
    *(f"share, decayed {which}" for which in ("fast", "middling", "slowly")),
    *(f"share of shopping days, half-life {half_life:g}" for half_life in TRIPS[:2]),
    "log days since the last",
    "log days since the first",
    "log shopping days since the last",
    "log interval",
    "overdue",
    "on time",
    "log mean quantity",
    "bought",
    "share within its category",
    "GP-Pop",
)
PRIOR_WEIGHT: Final = 2.5  # g
PRIOR_INTERVALS: Final = 2.0  # of the item, that the own rhythm is shrunk with
SMALL: Final = 1e-4  # keeps GP-Pop's logarithm finite


def own_features(given: Aggregates, items: Doubles, trips: Doubles, of_category: Doubles) -> Doubles:
    """float64 [B, L, features].

    Args:
        given: Of B histories.
        items: float64 [B, L, S], the item table's rows of the history's model items.
        trips: float64 [B], shopping days.
        of_category: float64 [B, L], purchase days in the model item's category.
    """
    days = np.maximum(given.days, 1)
    totals = np.maximum(given.decayed.sum(axis=1, keepdims=True), 1e-30)
    interval = (given.first - given.last + PRIOR_INTERVALS * np.expm1(items[..., INTERVAL])) / (
        days - 1 + PRIOR_INTERVALS
    )
    overdue = np.log((given.last + 1) / (interval + 1))
    columns = [
        np.log1p(given.days),
        given.days / np.maximum(given.days.sum(axis=1, keepdims=True), 1),
        *np.moveaxis(np.log1p(given.decayed), 2, 0),
        *np.moveaxis(given.decayed / totals, 2, 0),
        *(given.by_trips[..., place] / _trips_decayed(trips, TRIPS[place])[:, None] for place in range(2)),
        np.log1p(given.last),
        np.log1p(given.first),
        np.log1p(given.trip),
        np.log1p(interval),
        overdue,
        np.exp(-np.abs(overdue)),
        np.log1p(given.quantity / days),
        given.bought.astype(np.float64),
        given.days / np.maximum(of_category, 1),
        gp_pop(given.by_trips[..., 2], items[..., PRIOR]),
    ]
    return np.stack(columns, axis=2)


def absent_features(tau: float) -> Doubles:
    """float64 [features] of what was never bought; GP-Pop, which depends on the item, as 0."""
    values = dict.fromkeys(OWN_FEATURES, 0.0)
    values["log days since the last"] = values["log days since the first"] = np.log1p(NEVER_DAYS * tau)
    values["log shopping days since the last"] = np.log1p(NEVER_TRIPS)
    values["log interval"] = np.log1p(NEVER_DAYS * tau)
    return np.array(list(values.values()))


def gp_pop(decayed: Doubles | float, prior: NDArray[np.floating]) -> Doubles:
    """log(own decayed purchase days + g · popularity relative to the most popular)."""
    return np.asarray(np.log(decayed + PRIOR_WEIGHT * prior + SMALL), np.float64)


def _trips_decayed(trips: Doubles, half_life: float) -> Doubles:
    """Σ 2^(-t / half-life) over all shopping days t = 0 … trips - 1; 1 where there is none."""
    ratio = 2 ** (-1 / half_life)
    return np.maximum((1 - ratio**trips) / (1 - ratio), 1)
