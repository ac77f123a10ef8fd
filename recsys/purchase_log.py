"""Everyone's purchase days in the order of days: what had been bought, and not been taken back, before any day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.history import DAYS
from recsys.ragged import changes, in_order

_DAY: Final = ("subject", "item", "day")
NEVER: Final = DAYS - 1  # the day on which what is kept is taken back

Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Seen:
    """N purchase days in the order of days.

    Args:
        item: int64 [N].
        day: int32 [N], ascending.
        which: int32 [N]: that person's first purchase day of the item (1), the second (2), …
        gap: int32 [N]: days since the one before; 0 for the first.
    """

    item: NDArray[np.int64]
    day: Numbers
    which: Numbers
    gap: Numbers

    def since(self, day: int) -> Seen:
        """From a day on."""
        late = slice(int(np.searchsorted(self.day, day)), None)
        return Seen(self.item[late], self.day[late], self.which[late], self.gap[late])


@dataclass(frozen=True)
class PurchaseLog:
    """Purchase days in the order of days, so that what was seen before any day is a beginning.

    Args:
        names: The M model items, in ascending order.
        item: int32 [N].
        day: int32 [N], ascending.
        which: int32 [N]: that person's first purchase day of the item (1), the second (2), …
        gap: int32 [N]: days since the one before; 0 for the first.
        returned: What was taken back again; None: nothing.
    """

    names: pl.Series
    item: Numbers
    day: Numbers
    which: Numbers
    gap: Numbers
    returned: Returned | None = None

    @classmethod
    def of(cls, daily: pl.DataFrame, returned: pl.DataFrame | None = None) -> PurchaseLog:
        """Order `subject, item, day`; the same row twice counts once. What was `taken` again counts until that day."""
        rows = daily.select(_DAY).unique()
        if returned is not None and len(returned):
            gone = returned.join(rows, on=_DAY, how="anti").group_by(_DAY).agg(pl.col("taken").max())
            rows = pl.concat([rows, gone], how="diagonal")
        names, people = rows["item"].unique().sort(), rows["subject"].unique()
        codes = pl.DataFrame({"item": names, "code": np.arange(len(names), dtype=np.int32)})
        numbers = pl.DataFrame({"subject": people, "number": np.arange(len(people))})
        rows = rows.join(codes, on="item").join(numbers, on="subject")
        day = rows["day"].to_physical().to_numpy()
        taken = rows["taken"].to_physical().fill_null(NEVER).to_numpy() if "taken" in rows.columns else None
        return cls.of_codes(names, rows["number"].to_numpy(), rows["code"].to_numpy(), day, taken)

    @classmethod
    def of_codes(
        cls,
        names: pl.Series,
        subject: NDArray[np.int64],
        item: Numbers,
        day: NDArray[np.integer],
        taken: NDArray[np.integer] | None = None,
    ) -> PurchaseLog:
        """Order purchase days in numbers, each once.

        Args:
            names: The M model items, in ascending order.
            subject: int64 [N].
            item: int32 [N], among the names.
            day: Whole numbers [N], since 1970.
            taken: Whole numbers [N], the day of the return that took the last of it back, or `NEVER`; None: all kept.
        """
        ordered = in_order(subject, item, day)
        item, dated = item[ordered], day[ordered].astype(np.int32)
        pair = subject[ordered].astype(np.int64) * len(names) + item
        which, gap = _numbered(pair, dated)
        by_day = in_order(dated, item, which, gap)  # what is alike in all is summed up alike in any order
        returned = None if taken is None else Returned.of(pair, taken[ordered].astype(np.int32), by_day)
        return cls(names, item[by_day], dated[by_day], which[by_day], gap[by_day], returned)

    def before(self, day: int) -> Seen:
        """What had been bought, and not been taken back, before a day (since 1970)."""
        end = int(np.searchsorted(self.day, day))
        item, dated, which, gap = (values[:end] for values in (self.item, self.day, self.which, self.gap))
        if self.returned is None:
            return Seen(item.astype(np.int64), dated, which, gap)
        there, rows, pair = self.returned.before(day, end)
        which, gap = which.copy(), gap.copy()
        which[rows], gap[rows] = _numbered(pair, dated[rows])
        return Seen(item[there].astype(np.int64), dated[there], which[there], gap[there])


@dataclass(frozen=True, slots=True)
class Returned:
    """The returns of a log: who took an item back has fewer purchase days of it from then on.

    Args:
        taken: int32 [N], the day on which each of the log's purchase days was taken back, or `NEVER`.
        rows: int64 [T], those of people and items with any return, by person, item and day.
        pair: int64 [T], the person and item of each of them.
    """

    taken: Numbers
    rows: NDArray[np.int64]
    pair: NDArray[np.int64]

    @classmethod
    def of(cls, pair: NDArray[np.int64], taken: Numbers, by_day: NDArray[np.int64]) -> Returned:
        """From what lies by person, item and day, and the positions that put it in the order of days."""
        number = np.cumsum(changes(pair)) - 1
        some = np.flatnonzero((np.bincount(number, taken < NEVER) > 0)[number])
        place = np.empty(len(by_day), np.int64)
        place[by_day] = np.arange(len(by_day))
        return cls(taken[by_day], place[some], number[some])

    def before(self, day: int, end: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Bool [end]: which of the log's first rows were there as of a day; of those, the `rows` and `pair`."""
        there = self.taken[:end] >= day
        kept = self.rows < end
        kept[kept] = there[self.rows[kept]]
        return there, self.rows[kept], self.pair[kept]


def _numbered(pair: NDArray[np.int64], day: Numbers) -> tuple[Numbers, Numbers]:
    """Which purchase day of its person and item each is, and the days since the one before; by pair and day."""
    first = changes(pair)
    starts = np.flatnonzero(first)
    which = (np.arange(1, len(pair) + 1) - np.repeat(starts, np.diff(starts, append=len(pair)))).astype(np.int32)
    return which, np.where(first, 0, np.diff(day, prepend=day[:1]))
