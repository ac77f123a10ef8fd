"""Item statistics: popularity at several half-lives, trend, repeat rate and rhythm, as of a day.

Nothing in them is told of fewer than k people: what fewer bought lately was not bought lately, those who came back are
none if they are fewer, and an item is on sale since its k-th buyer. Sums are rounded to three digits, since the binary
digits of an exact Σ 2^(-age) are the days themselves.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.statistics import HALF_LIVES_DAYS, ITEM_STATISTICS, popularity_column
from recsys.history import day_number
from recsys.ragged import changes, in_order

_TREND: Final = (8, 30)  # half-lives, in days, whose shares are compared
_SMALL: Final = 1e-9  # keeps the logarithm of a share of zero finite
_LEAST: Final = np.finfo(np.float64).tiny  # zero divided by it is zero
_SECOND: Final = 2
_PRIOR_GAPS: Final = 2  # that an item's own rhythm is shrunk with
_LATELY: Final = 4  # half-lives: what is older counts for less than a sixteenth
_DIGITS: Final = 3


def item_statistics(daily: pl.DataFrame, *, as_of: dt.date, min_buyers: int) -> pl.DataFrame:
    """Compute the statistics of every model item with at least `min_buyers` buyers.

    Args:
        daily: `subject, item, day` with model items, one row each; see `recsys.history.purchase_days`.
        as_of: Only what is dated strictly before this day counts, and ages are measured from it.
        min_buyers: k of design.md 6: what fewer people did would tell about them.

    Returns:
        The item-statistics contract, by item.
    """
    return PurchaseLog.of(daily).as_of(day_number(as_of), min_buyers=min_buyers)


@dataclass(frozen=True)
class PurchaseLog:
    """Everyone's purchase days in the order of days, so that the statistics as of any day are sums over a beginning.

    Args:
        names: The M model items, in ascending order.
        item: int32 [N].
        day: int32 [N], ascending.
        which: int32 [N]: that person's first purchase day of the item (1), the second (2), …
        gap: int32 [N]: days since the one before; 0 for the first.
        buyer: int32 [N]: the item's first buyer (1), its second (2), … on the first day of each; 0 on other days.
    """

    names: pl.Series
    item: NDArray[np.int32]
    day: NDArray[np.int32]
    which: NDArray[np.int32]
    gap: NDArray[np.int32]
    buyer: NDArray[np.int32]

    @classmethod
    def of(cls, daily: pl.DataFrame) -> PurchaseLog:
        """Order `subject, item, day`; the same row twice counts once."""
        names = daily["item"].unique().sort()
        people = daily["subject"].unique()
        codes = pl.DataFrame({"item": names, "code": np.arange(len(names), dtype=np.int32)})
        numbers = pl.DataFrame({"subject": people, "number": np.arange(len(people))})
        rows = daily.select("subject", "item", "day").unique().join(codes, on="item").join(numbers, on="subject")
        day = rows["day"].to_physical().to_numpy()
        return cls.of_codes(names, rows["number"].to_numpy(), rows["code"].to_numpy(), day)

    @classmethod
    def of_codes(
        cls, names: pl.Series, subject: NDArray[np.int64], item: NDArray[np.int32], day: NDArray[np.integer]
    ) -> PurchaseLog:
        """Order purchase days in numbers: the subject of each, its item among the names, days since 1970. Each once."""
        ordered = in_order(subject, item, day)
        item, dated = item[ordered], day[ordered].astype(np.int32)
        first = changes(subject[ordered].astype(np.int64) * len(names) + item)
        which = _place_in(first)
        gap = np.where(first, 0, np.diff(dated, prepend=dated[:1]))
        ordered = in_order(dated, item, which, gap)  # what is alike in all is summed up alike in any order
        item, dated, which = item[ordered], dated[ordered], which[ordered]
        firsts = np.flatnonzero(which == 1)
        firsts = firsts[np.argsort(item[firsts], kind="stable")]
        buyer = np.zeros(len(item), np.int32)
        buyer[firsts] = _place_in(changes(item[firsts].astype(np.int64)))
        return cls(names, item, dated, which, gap[ordered], buyer)

    def as_of(self, day: int, *, min_buyers: int) -> pl.DataFrame:
        """The item-statistics contract as of a day (since 1970): what is dated strictly before it counts."""
        least = max(min_buyers, 1)
        seen = slice(0, int(np.searchsorted(self.day, day)))
        item, which = self.item[seen].astype(np.int64), self.which[seen]
        days, buyers, repeaters = (self._counted(of) for of in (item, item[which == 1], item[which == _SECOND]))
        gaps, between = days - buyers, self._counted(item, self.gap[seen])
        mean_gap, told = between.sum() / max(gaps.sum(), 1), repeaters >= least
        on_sale, since = np.zeros(len(self.names)), np.flatnonzero(self.buyer[seen] == least)
        on_sale[item[since]] = day - self.day[since]
        frame = pl.DataFrame(
            {
                "item": self.names,
                "buyers": buyers.astype(np.int64),
                popularity_column(None): days,
                **{popularity_column(half_life): self._lately(day, half_life, least) for half_life in HALF_LIVES_DAYS},
                "repeat_rate": told * repeaters / np.maximum(buyers, 1),
                "interval": (told * between + _PRIOR_GAPS * mean_gap) / (told * gaps + _PRIOR_GAPS),
                "days_on_sale": on_sale,
            }
        ).filter(pl.col("buyers") >= least)
        rounded = frame.with_columns(pl.col("^popularity_.*$", "interval").round_sig_figs(_DIGITS))
        recent, usual = (_share(pl.col(popularity_column(half_life))) for half_life in _TREND)
        trend = ((recent + _SMALL) / (usual + _SMALL)).log().alias("trend")
        return rounded.with_columns(trend).select(column.name for column in ITEM_STATISTICS.columns)

    def _lately(self, day: int, half_life: int, least: int) -> NDArray[np.float64]:
        """float64 [M]: purchase days weighted by 2^(-age / half-life); 0 where fewer people bought lately."""
        end = int(np.searchsorted(self.day, day))
        weight = np.exp2((self.day[:end] - day) / half_life)
        start = day - _LATELY * half_life
        late = slice(int(np.searchsorted(self.day, start)), end)
        anew = (self.which[late] == 1) | (self.day[late] - self.gap[late] < start)  # their first day since the start
        people = self._counted(self.item[late][anew])
        return np.where(people >= least, self._counted(self.item[:end], weight), 0)

    def _counted(self, item: NDArray[np.integer], weight: NDArray[np.number] | None = None) -> NDArray[np.float64]:
        return np.bincount(item, weight, minlength=len(self.names)).astype(np.float64)


def _place_in(begins: NDArray[np.bool_]) -> NDArray[np.int32]:
    """int32 [N]: the place of each row in its group, from 1, given where groups begin."""
    starts = np.flatnonzero(begins)
    return (np.arange(1, len(begins) + 1) - np.repeat(starts, np.diff(starts, append=len(begins)))).astype(np.int32)


def _share(popularity: pl.Expr) -> pl.Expr:
    """Of everything that was bought; zero where all of it is so long ago that nothing is left."""
    return popularity / pl.max_horizontal(popularity.sum(), _LEAST)
