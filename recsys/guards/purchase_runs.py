"""Purchase days, counted once for all guards: for each subject and key, its distinct days in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.state import State
from recsys.history import Histories, ItemIndex, day_number
from recsys.ragged import Ragged, bounds, changes
from recsys.returns import net_of_returns

_AGE_BITS: Final = 22  # more days than Python's calendar has: `cell << _AGE_BITS | age` is one number for a pair
_AGES: Final = (1 << _AGE_BITS) - 1


@dataclass(frozen=True, slots=True)
class Purchases:
    """N purchases: int64 arrays [N]; `day` counts from 1970."""

    subject: NDArray[np.int64]
    item: NDArray[np.int64]
    day: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PurchaseRuns:
    """R runs, one for each subject and key with a purchase, by subject and key. An age is in days, 0 for today.

    Args:
        subject: int64 [R].
        key: int64 [R].
        newest: int64 [R], the age of the last purchase day.
        oldest: int64 [R], that of the first one.
        days: int64 [R], how many distinct ones.
    """

    subject: NDArray[np.int64]
    key: NDArray[np.int64]
    newest: NDArray[np.int64]
    oldest: NDArray[np.int64]
    days: NDArray[np.int64]
    _starts: NDArray[np.int64]
    _ages: NDArray[np.int64]  # of all days of all runs, end to end

    def reached(
        self, run: NDArray[np.int64], number: NDArray[np.int64], within: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which runs have `number` days that are at most `within` days old: one look at the `number`-th newest."""
        age = self._ages.take(self._starts[run] + number - 1, mode="clip")
        return (self.days[run] >= number) & (age <= within)


def purchases_of(
    histories: Histories, states: Sequence[State], index: ItemIndex, wanted: NDArray[np.bool_], today: int
) -> Purchases:
    """Every purchase of the `wanted` items up to `today`: rows of the histories, and the states' dated counters.

    Each is netted of the returns that it came with.
    """
    rows = (wanted.take(histories.item) & (histories.day <= today)).nonzero()[0]
    ends = rows.searchsorted(histories.offsets)
    subject = np.arange(len(histories)).repeat(ends[1:] - ends[:-1])
    item, day = histories.item[rows].astype(np.int64), histories.day[rows].astype(np.int64)
    counters = [
        (row, code, day_of)
        for row, state in enumerate(states)
        for name, day_of in _counted(state, today)
        if (code := index.codes.get(name, -1)) >= 0 and wanted[code]
    ]
    if not counters:
        return Purchases(subject, item, day)
    more = np.array(counters, np.int64).T
    return Purchases(*(np.concatenate(both) for both in zip((subject, item, day), more, strict=True)))


def _counted(state: State, today: int) -> Iterator[tuple[str, int]]:
    """The items and days of a state's counters, without what was given back."""
    by_item: dict[str, dict[int, float]] = {}
    for purchase in state.sensitive_purchases:
        days = by_item.setdefault(purchase.item, {})
        day = day_number(purchase.day)
        days[day] = days.get(day, 0.0) + purchase.quantity
    for item, days in by_item.items():
        left = net_of_returns([days[day] for day in sorted(days)])
        yield from (
            (item, day) for day, quantity in zip(sorted(days), left, strict=True) if quantity > 0 and day <= today
        )


def runs_of(purchases: Purchases, today: int, of_item: Ragged, size: int) -> PurchaseRuns:
    """Count the distinct days, up to today, of each subject and key, of which there are `size`."""
    key, row = of_item.take(purchases.item)
    key_bits = size.bit_length()
    codes = purchases.subject[row]
    codes <<= key_bits
    codes |= key
    codes <<= _AGE_BITS
    codes |= (today - purchases.day)[row]
    codes.sort()
    codes = codes[changes(codes)]
    cells = codes >> _AGE_BITS
    codes &= _AGES
    edges = bounds(cells)
    starts, ends = edges[:-1], edges[1:]
    cells = cells[starts]
    subject, run_key = cells >> key_bits, cells & ((1 << key_bits) - 1)
    return PurchaseRuns(subject, run_key, codes[starts], codes[ends - 1], ends - starts, starts, codes)
