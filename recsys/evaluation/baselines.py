"""Baselines that need no learning: what a model has to beat to be worth its trouble.

Sources: M. Li, S. Jullien, M. Ariannezhad, M. de Rijke, "A Next Basket Recommendation Reality Check" (TOIS 2023), where
global and personal frequency stand up to most neural models; the decay is that of H. Hu et al., "Modeling Personalized
Item Frequency Information for Next-basket Recommendation" (SIGIR 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.comparison import Scores
from recsys.evaluation.splits import Split
from recsys.history import DAYS, Histories, day_number
from recsys.ragged import changes

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Habit:
    """GP-Pop: own purchase days with decay, and what everyone buys these days where there is no habit.

    Args:
        half_life: After how many days (or shopping days) a purchase counts half.
        in_baskets: Whether age is counted in the subject's own shopping days instead of days.
        prior: What the most popular item of all is worth, in purchase days.
        prior_half_life: Of popularity, in days.
    """

    half_life: float
    in_baskets: bool
    prior: float
    prior_half_life: float

    def __str__(self) -> str:
        unit = "baskets" if self.in_baskets else "days"
        return f"half-life {self.half_life:g} {unit}, prior {self.prior:g} of {self.prior_half_life:g} days"


def by_popularity(split: Split) -> Scores:
    """How many subjects bought each item; the same list for everyone."""
    return _same(buyers(split.everyone, items=split.items))


def by_recent_popularity(split: Split, half_life: float) -> Scores:
    """Everyone's purchase days, halved every so many days; the same list for everyone."""
    return _same(recent_popularity(split, half_life))


def by_own_frequency(split: Split) -> Scores:
    """The subject's own purchase days; ties, and all that they never bought, in the order of popularity."""
    popular = buyers(split.everyone, items=split.items)
    between = 0.5 * popular / max(popular.max(initial=0), 1)

    def scores(rows: slice) -> Doubles:
        before = split.judged.slice(rows.start, rows.stop)
        return np.asarray(_counted(before, np.ones(len(before.item)), split.items) + between, np.float64)

    return scores


def by_habit(split: Split, habit: Habit) -> Scores:
    """GP-Pop: own decayed purchase days + prior · popularity, by its largest."""
    recent = recent_popularity(split, habit.prior_half_life)
    prior = habit.prior * recent / (recent.max(initial=0) or 1)

    def scores(rows: slice) -> Doubles:
        before = split.judged.slice(rows.start, rows.stop)
        age = baskets_since(before) if habit.in_baskets else split.days[rows][before.rows_of] - before.day
        return np.asarray(_counted(before, np.exp2(-age / habit.half_life), split.items) + prior, np.float64)

    return scores


def buyers(everyone: Histories, *, items: int) -> Doubles:
    """float64 [items]: how many subjects bought each item."""
    cells = np.unique(everyone.rows_of * items + everyone.item)
    return np.asarray(np.bincount(cells % items, minlength=items), np.float64)


def recent_popularity(split: Split, half_life: float) -> Doubles:
    """float64 [items]: everyone's purchase days before the window, halved every so many days."""
    everyone = split.everyone
    decay = np.exp2((everyone.day - day_number(split.window.as_of)) / half_life)
    return np.asarray(np.bincount(everyone.item, decay, minlength=split.items), np.float64)


def baskets_since(histories: Histories) -> NDArray[np.int64]:
    """int64 [N]: on how many later days the row's subject bought anything."""
    visits, place = np.unique(histories.rows_of * DAYS + histories.day, return_inverse=True)
    owners = visits // DAYS
    last = np.append(np.flatnonzero(changes(owners))[1:], len(owners)) - 1
    last_of = np.zeros(len(histories), np.int64)
    last_of[owners[last] if len(owners) else owners] = last if len(owners) else owners
    return np.asarray(last_of[histories.rows_of] - place, np.int64)


def _same(values: Doubles) -> Scores:
    return lambda rows: np.broadcast_to(values, (rows.stop - rows.start, len(values)))


def _counted(histories: Histories, weight: NDArray[np.floating], items: int) -> Doubles:
    cells = histories.rows_of * items + histories.item
    counted = np.bincount(cells, weight, minlength=len(histories) * items)
    return np.asarray(counted.reshape(len(histories), items), np.float64)
