"""Purchase days, counted once for all guards: for each subject and key, its distinct days in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.state import State
from recsys.history import Histories, ItemIndex, day_number
from recsys.ragged import Ragged, changes, distinct

_SPAN_BITS: Final = 22
_SPAN: Final = 1 << _SPAN_BITS  # more days than Python's calendar has: `cell * _SPAN + day` is one number for a pair
_BIAS: Final = 719_163  # makes the first day of that calendar 0 or more

_NEVER: Final = -_SPAN


@dataclass(frozen=True, slots=True)
class Purchases:
    """N purchases: int64 arrays [N]; `day` counts from 1970."""

    subject: NDArray[np.int64]
    item: NDArray[np.int64]
    day: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PurchaseRuns:
    """R runs, one for each subject and key with a purchase, by subject and key.

    Args:
        subject: int64 [R].
        key: int64 [R].
        first: int64 [R], the first purchase day, since 1970.
        last: int64 [R], the last.
        days: int64 [R], how many distinct ones.
    """

    subject: NDArray[np.int64]
    key: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    days: NDArray[np.int64]
    _codes: NDArray[np.int64]
    _ends: NDArray[np.int64]

    def last_days(self, run: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64: the first of each run's last `number` days; before all time where it has fewer."""
        day: NDArray[np.int64] = (self._codes[np.maximum(self._ends[run] - number, 0)] & (_SPAN - 1)) - _BIAS
        day[self.days[run] < number] = _NEVER
        return day


def purchases_of(
    histories: Histories, states: Sequence[State], index: ItemIndex, wanted: NDArray[np.bool_], today: int
) -> Purchases:
    """Every purchase of the `wanted` items up to `today`: rows of the histories, and the states' dated counters."""
    rows = np.flatnonzero(wanted[histories.item])
    sizes = np.diff(np.searchsorted(rows, histories.offsets))
    subject, item = np.arange(len(histories)).repeat(sizes), histories.item[rows].astype(np.int64)
    day = histories.day[rows].astype(np.int64)
    counters = [
        (row, code, day_number(purchase.day))
        for row, state in enumerate(states)
        for purchase in state.sensitive_purchases
        if purchase.quantity > 0 and (code := index.codes.get(purchase.item, -1)) >= 0 and wanted[code]
    ]
    if counters:
        extra = np.array(counters, np.int64)
        subject, item, day = (
            np.concatenate([known, more]) for known, more in zip((subject, item, day), extra.T, strict=True)
        )
    past = day <= today
    return Purchases(subject, item, day) if past.all() else Purchases(subject[past], item[past], day[past])


def runs_of(purchases: Purchases, of_item: Ragged, size: int) -> PurchaseRuns:
    """Count the distinct days of each subject and key, of which there are `size`."""
    key, row = of_item.take(purchases.item)
    codes = purchases.subject[row]
    codes *= size
    codes += key
    codes <<= _SPAN_BITS
    codes += purchases.day[row] + _BIAS
    codes = distinct(codes)
    cells = codes >> _SPAN_BITS
    starts = changes(cells).nonzero()[0]
    ends = np.empty_like(starts)
    ends[:-1] = starts[1:]
    ends[-1:] = len(codes)
    subject, run_key = np.divmod(cells[starts], max(size, 1))
    first = (codes[starts] & (_SPAN - 1)) - _BIAS
    last = (codes[ends - 1] & (_SPAN - 1)) - _BIAS
    return PurchaseRuns(subject, run_key, first, last, ends - starts, codes, ends)
