"""Item statistics: popularity at several half-lives, trend, repeat rate and rhythm, as of a day.

Each number is told where k people stand behind it: what fewer bought lately was not bought lately; those who came back
are none if they are fewer, and everyone if fewer did not; an item is on sale since its k-th buyer, in weeks. Sums are
rounded, to tenths below ten and to whole days above, since the binary digits of an exact Σ 2^(-age) are the days. What
several numbers together still say of one person: docs/adr/0038.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.statistics import HALF_LIVES_DAYS, ITEM_STATISTICS, popularity_column
from recsys.history import day_number
from recsys.purchase_log import PurchaseLog, Seen
from recsys.ragged import bounds

_TREND: Final = (8, 30)  # half-lives, in days, whose shares are compared
_SMALL: Final = 1e-9  # keeps the logarithm of a share of zero finite
_LEAST: Final = np.finfo(np.float64).tiny  # zero divided by it is zero
_SECOND: Final = 2
_PRIOR_GAPS: Final = 2  # that an item's own rhythm is shrunk with
_LATELY: Final = 4  # half-lives: what is older counts for less than a sixteenth
_FINE: Final = 10.0  # below it, sums are told to tenths
_WEEK: Final = 7


def item_statistics(daily: pl.DataFrame, *, as_of: dt.date, min_buyers: int) -> pl.DataFrame:
    """Compute the statistics of every model item with at least `min_buyers` buyers.

    Args:
        daily: `subject, item, day` with model items, one row each; see `recsys.history.purchase_days`.
        as_of: Only what is dated strictly before this day counts, and ages are measured from it.
        min_buyers: k of design.md 6: what fewer people did would tell about them.

    Returns:
        The item-statistics contract, by item.
    """
    return statistics_of(PurchaseLog.of(daily), day_number(as_of), min_buyers=min_buyers)


def statistics_of(log: PurchaseLog, day: int, *, min_buyers: int) -> pl.DataFrame:
    """The same from a log, as of a day (since 1970)."""
    least, seen, size = max(min_buyers, 1), log.before(day), len(log.names)
    first, second = seen.item[seen.which == 1], seen.item[seen.which == _SECOND]
    days, buyers, repeaters = (_counted(items, size) for items in (seen.item, first, second))
    told = repeaters >= least
    days = np.where(told, days, buyers)
    gaps, between = days - buyers, told * _counted(seen.item, size, seen.gap)
    mean_gap = between.sum() / max(gaps.sum(), 1)
    returned = np.where(buyers - repeaters < least, buyers, repeaters)
    frame = pl.DataFrame(
        {
            "item": log.names,
            "buyers": buyers.astype(np.int64),
            popularity_column(None): days,
            **{popularity_column(each): _lately(seen, day, each, size, least) for each in HALF_LIVES_DAYS},
            "repeat_rate": told * returned / np.maximum(buyers, 1),
            "interval": (between + _PRIOR_GAPS * mean_gap) / (gaps + _PRIOR_GAPS),
            "days_on_sale": _on_sale(seen, day, size, least),
        }
    ).filter(pl.col("buyers") >= least)
    sums = pl.col("^popularity_.*$", "interval")
    rounded = frame.with_columns(pl.when(sums < _FINE).then(sums.round(1)).otherwise(sums.round(0)))
    recent, usual = (_share(pl.col(popularity_column(half_life))) for half_life in _TREND)
    trend = ((recent + _SMALL) / (usual + _SMALL)).log().alias("trend")
    return rounded.with_columns(trend).select(column.name for column in ITEM_STATISTICS.columns)


def _lately(seen: Seen, day: int, half_life: int, size: int, least: int) -> NDArray[np.float64]:
    """float64 [size]: purchase days weighted by 2^(-age / half-life); 0 where fewer than `least` bought lately."""
    start = day - _LATELY * half_life
    late = seen.since(start)
    anew = (late.which == 1) | (late.day - late.gap < start)  # a person's first day of the item since the start
    people = _counted(late.item[anew], size)
    return np.where(people >= least, _counted(seen.item, size, np.exp2((seen.day - day) / half_life)), 0)


def _on_sale(seen: Seen, day: int, size: int, least: int) -> NDArray[np.float64]:
    """float64 [size]: days since so many people had bought it, in whole weeks, begun ones too; 0 where fewer did."""
    firsts = np.flatnonzero(seen.which == 1)
    firsts = firsts[np.argsort(seen.item[firsts], kind="stable")]
    ends = bounds(seen.item[firsts])
    enough = ends[:-1][np.diff(ends) >= least] + least - 1
    found = np.zeros(size)
    found[seen.item[firsts[enough]]] = -(-(day - seen.day[firsts[enough]]) // _WEEK) * _WEEK
    return found


def _counted(item: NDArray[np.int64], size: int, weight: NDArray[np.number] | None = None) -> NDArray[np.float64]:
    return np.bincount(item, weight, minlength=size).astype(np.float64)


def _share(popularity: pl.Expr) -> pl.Expr:
    """Of everything that was bought; zero where all of it is so long ago that nothing is left."""
    return popularity / pl.max_horizontal(popularity.sum(), _LEAST)
