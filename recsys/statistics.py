"""Item statistics: popularity at several half-lives, trend, repeat rate and rhythm, as of a day."""

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


def item_statistics(daily: pl.DataFrame, *, as_of: dt.date, min_buyers: int) -> pl.DataFrame:
    """Compute the statistics of every model item with at least `min_buyers` buyers.

    Args:
        daily: `subject, item, day` with model items, one row each; see `recsys.history.purchase_days`.
        as_of: Only what is dated strictly before this day counts, and ages are measured from it.
        min_buyers: k of design.md 6: an item bought by fewer people would tell about them.

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
    """

    names: pl.Series
    item: NDArray[np.int32]
    day: NDArray[np.int32]
    which: NDArray[np.int32]
    gap: NDArray[np.int32]

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
        starts = np.flatnonzero(first)
        which = (np.arange(1, len(item) + 1) - np.repeat(starts, np.diff(starts, append=len(item)))).astype(np.int32)
        gap = np.where(first, 0, np.diff(dated, prepend=dated[:1]))
        ordered = in_order(dated, item, which, gap)  # what is alike in all is summed up alike in any order
        return cls(names, item[ordered], dated[ordered], which[ordered], gap[ordered])

    def as_of(self, day: int, *, min_buyers: int) -> pl.DataFrame:
        """The item-statistics contract as of a day (since 1970): what is dated strictly before it counts."""
        seen = slice(0, int(np.searchsorted(self.day, day)))
        item, age = self.item[seen].astype(np.int64), (day - self.day[seen]).astype(np.float64)
        buyers, repeaters = self._counted(item[self.which[seen] == 1]), self._counted(item[self.which[seen] == _SECOND])
        days = self._counted(item)
        gaps, between = days - buyers, self._counted(item, self.gap[seen])
        mean_gap = between.sum() / max(gaps.sum(), 1)
        first = np.full(len(self.names), day, np.int32)
        np.minimum.at(first, item, self.day[seen])
        popularity = {None: days} | {
            half_life: self._counted(item, np.exp2(-age / half_life)) for half_life in HALF_LIVES_DAYS
        }
        frame = pl.DataFrame(
            {
                "item": self.names,
                "buyers": buyers.astype(np.int64),
                **{popularity_column(half_life): values for half_life, values in popularity.items()},
                "repeat_rate": repeaters / np.maximum(buyers, 1),
                "interval": (between + _PRIOR_GAPS * mean_gap) / (gaps + _PRIOR_GAPS),
                "days_on_sale": (day - first).astype(np.float64),
            }
        ).filter(pl.col("buyers") >= max(min_buyers, 1))
        recent, usual = (_share(pl.col(popularity_column(half_life))) for half_life in _TREND)
        trend = ((recent + _SMALL) / (usual + _SMALL)).log().alias("trend")
        return frame.with_columns(trend).select(column.name for column in ITEM_STATISTICS.columns)

    def _counted(self, item: NDArray[np.int64], weight: NDArray[np.number] | None = None) -> NDArray[np.float64]:
        return np.bincount(item, weight, minlength=len(self.names)).astype(np.float64)


def _share(popularity: pl.Expr) -> pl.Expr:
    """Of everything that was bought; zero where all of it is so long ago that nothing is left."""
    return popularity / pl.max_horizontal(popularity.sum(), _LEAST)
