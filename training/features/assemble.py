"""All families side by side, for pairs of a history and a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.item_table import ITEM_FEATURES, PRIOR
from recsys.model_histories import ModelHistories
from training.features.aggregate import RECENT, Aggregates, Doubles, aggregate
from training.features.category import CATEGORY_FEATURES, category_days, category_features
from training.features.collaborative import COLLABORATIVE_FEATURES, Spread, collaborative_features
from training.features.fold_in import FoldIn
from training.features.own import OWN_FEATURES, absent_features, gp_pop, own_features
from training.features.person import PERSON_FEATURES, person_features, trips_of

FAMILIES: Final = {
    "own": OWN_FEATURES,
    "item": ITEM_FEATURES,
    "person": PERSON_FEATURES,
    "category": CATEGORY_FEATURES,
    "collaborative": COLLABORATIVE_FEATURES,
}
FEATURES: Final = tuple(f"{family}: {name}" for family, names in FAMILIES.items() for name in names)
_GP_POP: Final = OWN_FEATURES.index("GP-Pop")


def columns_of(family: str) -> slice:
    """Where a family's features stand among all."""
    names = list(FAMILIES)
    start = sum(len(FAMILIES[name]) for name in names[: names.index(family)])
    return slice(start, start + len(FAMILIES[family]))


@dataclass(frozen=True)
class Lens:
    """What histories are looked at through.

    Args:
        tau: The time scale, in days.
        categories: int64 [M]: the category of each model item.
        fold: The factorization; its factors are zero for items that it has not learned.
    """

    tau: float
    categories: NDArray[np.int64]
    fold: FoldIn

    @property
    def size(self) -> int:
        """K, the number of categories."""
        return int(self.categories.max(initial=0)) + 1

    @cached_property
    def factors(self) -> Doubles:
        """float64 [M, F]: of all items."""
        return self.fold.item_factors.astype(np.float64)

    @cached_property
    def spread(self) -> Spread:
        """Of the factors of all items."""
        return Spread.of(self.fold.item_factors)


@dataclass(frozen=True)
class Seen:
    """B histories through a lens, ready for any candidate.

    Args:
        own: float64 [B, L, own features].
        absent: float64 [own features].
        slots: int32 [B, M + 1], the history's position of each model item; -1 for what was never bought.
        items: float32 [M, S], the item table.
        person: float64 [B, person features].
        category: float64 [B, K, category features].
        people: float64 [B, F], folded in; and the part of it that the last baskets make.
        recent: float64 [B, F].
        lens: What they were looked at through.
    """

    own: Doubles
    absent: Doubles
    slots: NDArray[np.int32]
    items: NDArray[np.float32]
    person: Doubles
    category: Doubles
    people: Doubles
    recent: Doubles
    lens: Lens

    @classmethod
    def of(cls, histories: ModelHistories, items: NDArray[np.float32], lens: Lens) -> Seen:
        """Look at them, given the item table as of their day."""
        given = aggregate(histories, lens.tau)
        rows = np.where(given.bought, histories.items, 0)
        categories = lens.categories[rows]
        of_category = np.take_along_axis(category_days(given, categories, lens.size), categories, axis=1)
        slots = np.full((len(histories), len(items) + 1), -1, np.int32)
        places = np.arange(histories.items.shape[1], dtype=np.int32)
        np.put_along_axis(slots, histories.items, places[None, :], axis=1)
        people, recent = folded(lens.fold, histories, given)
        return cls(
            own=own_features(given, items[rows].astype(np.float64), trips_of(histories), of_category),
            absent=absent_features(lens.tau),
            slots=slots,
            items=items,
            person=person_features(histories, given),
            category=category_features(given, categories, lens.size, lens.tau),
            people=people,
            recent=recent,
            lens=lens,
        )

    def features(self, rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [P, features] of pairs of a history (int64 [P]) and a model item (int64 [P])."""
        slot = self.slots[rows, items]
        own = np.where((slot >= 0)[:, None], self.own[rows, slot], self.absent)
        own[slot < 0, _GP_POP] = gp_pop(0.0, self.items[items[slot < 0], PRIOR])
        category = self.category[rows, self.lens.categories[items]]
        said = (self.affinities[rows, items], self._lately[rows, items])
        together = collaborative_features(self.people, rows, said, self.lens.spread)
        return np.concatenate([own, self.items[items], self.person[rows], category, together], axis=1, dtype=np.float32)

    @cached_property
    def affinities(self) -> Doubles:
        """float64 [B, M]: the folded-in scores of all items."""
        return np.asarray(self.people @ self.lens.factors.T)

    @cached_property
    def _lately(self) -> Doubles:
        """float64 [B, M]: what the last baskets add to them."""
        return np.asarray(self.recent @ self.lens.factors.T)


def folded(fold: FoldIn, histories: ModelHistories, given: Aggregates) -> tuple[Doubles, Doubles]:
    """float64 [B, F] twice: the subjects, and the part of each that the items of the last baskets make."""
    counts = fold.counted(given)
    lately = given.bought & (given.trip < RECENT)
    people = np.zeros((len(histories), 2, fold.item_factors.shape[1]))
    for row in np.flatnonzero(given.bought.any(axis=1)):
        bought = given.bought[row]
        people[row] = fold.people(histories.items[row, bought], counts[row, bought], lately[row, bought])
    return people[:, 0], people[:, 1]
