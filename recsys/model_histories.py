"""Histories brought to model items, as the graph takes them: padded arrays, ages relative to an as-of day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.history import DAYS, Histories
from recsys.ragged import changes, distinct

Number = TypeVar("Number", np.int64, np.float32)

LANES: Final = 8  # lengths are multiples of this: kernels work by lanes, so company changes a score by 1e-6 at most


@dataclass(frozen=True, slots=True)
class ModelHistories:
    """B histories: L different model items at most, and R purchase days (an item and a day each) at most.

    Args:
        items: int64 [B, L], the model items, each once; the number of model items where a subject has fewer.
        slots: int64 [B, R], which of the L each purchase day is of; 0 for padding.
        ages: float32 [B, R], days before the as-of day; 0 for padding.
        trips: float32 [B, R], on how many later days the subject bought anything; 0 for padding.
        quantities: float32 [B, R], above zero; 0 for padding.
    """

    items: NDArray[np.int64]
    slots: NDArray[np.int64]
    ages: NDArray[np.float32]
    trips: NDArray[np.float32]
    quantities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Who has any history that the model can use, as bool [B]."""
        return self.lengths > 0

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [B]: how many purchase days each has."""
        return np.asarray((self.quantities > 0).sum(axis=1))

    def rows(self, rows: slice | NDArray[np.int64]) -> ModelHistories:
        """Some of the subjects, with no more padding than they need."""
        bought = self.quantities[rows] > 0
        width = _padded(int(bought.sum(axis=1).max(initial=0)))
        length = _padded(int(np.where(bought, self.slots[rows] + 1, 0).max(initial=0)))
        return ModelHistories(
            self.items[rows, :length],
            self.slots[rows, :width],
            self.ages[rows, :width],
            self.trips[rows, :width],
            self.quantities[rows, :width],
        )

    def check(self, items: int) -> None:
        """Refuse what cannot be ranked.

        Args:
            items: The number of model items.

        Raises:
            ContractError: A number is negative or not one, a position lies outside, or an item is listed twice.
        """
        for field in fields(self)[2:]:
            values = getattr(self, field.name)
            if not np.isfinite(values).all() or values.min(initial=0) < 0:
                raise ContractError(
                    f"a history holds {field.name} that are negative or not numbers",
                    mend="Net returns before scoring; recsys.history does",
                )
        if outside(self.items, items + 1) or outside(self.slots, max(self.items.shape[1], 1)):
            raise ContractError("a history holds positions that do not exist", mend="Make it with Scorer.fold")
        if _repeated(self.items, items):
            raise ContractError("a history holds an item twice", mend="Make it with Scorer.fold")


def fold_histories(
    histories: Histories, codes: NDArray[np.int32], *, items: int, as_of: int | NDArray[np.int64]
) -> ModelHistories:
    """Bring histories to model items: one purchase day a subject, model item and day.

    Args:
        histories: B subjects.
        codes: The model item of each item code, -1 for none.
        items: The number of model items.
        as_of: The day (since 1970) that ages are measured from, one for all or int64 [B]. What is dated after it has an
            age of zero.
    """
    size = len(histories)
    cells, day, quantity = _purchase_days(histories, codes, items)
    new = changes(cells)
    subject, item = np.divmod(cells[new], items)
    listed = _laid(subject, item, size, items)
    owner = cells // items
    slot = np.cumsum(new) - 1 - _before(subject, size)[owner]
    age = np.broadcast_to(np.asarray(as_of, np.int64), size)[owner] - day
    numbers = (np.maximum(age, 0), _trips(owner * DAYS + day), quantity)
    return ModelHistories(
        listed, _laid(owner, slot, size, 0), *(_laid(owner, each.astype(np.float32), size, 0) for each in numbers)
    )


def _purchase_days(
    histories: Histories, codes: NDArray[np.int32], items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
    """Each purchase day of a subject and model item once, in order: subject · items + item, the day, the quantity."""
    usable = codes[histories.item] >= 0
    keys = (histories.rows_of[usable] * items + codes[histories.item[usable]]) * DAYS + histories.day[usable]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(changes(keys[order]))
    quantity = np.add.reduceat(histories.quantity[usable][order], starts) if len(starts) else np.empty(0)
    cells, day = np.divmod(keys[order][starts], DAYS)
    return cells, day, quantity


def _trips(dated: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each pair of subject and day: on how many later days the subject bought anything."""
    days = distinct(dated)
    subject = days // DAYS
    later = np.searchsorted(subject, subject, side="right") - 1 - np.arange(len(days))
    return later[np.searchsorted(days, dated)]


def _place(owners: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The position of each row among those of its owner; owners ascend."""
    return np.arange(len(owners)) - _before(owners, size)[owners]


def _before(owners: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """int64 [size]: how many rows lie before those of each owner."""
    lengths = np.bincount(owners, minlength=size)
    return np.cumsum(lengths) - lengths


def _laid(owners: NDArray[np.int64], values: NDArray[Number], size: int, padding: int) -> NDArray[Number]:
    """[size, longest]: the values of each owner side by side, then padding; owners ascend."""
    laid = np.full((size, _padded(int(np.bincount(owners, minlength=size).max(initial=0)))), padding, values.dtype)
    laid[owners, _place(owners, size)] = values
    return laid


def _padded(length: int) -> int:
    return max(-(-length // LANES), 1) * LANES


def _repeated(listed: NDArray[np.int64], items: int) -> bool:
    """Whether an item is listed twice in a row. Folded ones ascend, padding last, and are not sorted for that."""
    if ((listed[:, 1:] > listed[:, :-1]) | (listed[:, 1:] == items)).all():
        return False
    ordered = np.sort(listed, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < items)).any())


def outside(positions: NDArray[np.int64], end: int) -> bool:
    """Whether any lies below 0, or at `end` or above."""
    return bool(positions.size and (positions.min() < 0 or positions.max() >= end))
