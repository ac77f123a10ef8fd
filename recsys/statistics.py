"""Item statistics: popularity at several half-lives, trend and repeat rate, as of a day (contract: statistics.py)."""

from __future__ import annotations

import datetime as dt
import math
from typing import Final

import polars as pl

from recsys.contracts.statistics import HALF_LIVES_DAYS, ITEM_STATISTICS, popularity_column

_TREND = (8, 30)  # half-lives, in days, whose shares are compared
_LN_2: Final = math.log(2)
_SMALL: Final = 1e-9  # keeps the logarithm of a share of zero finite


def item_statistics(daily: pl.DataFrame, *, as_of: dt.date, min_buyers: int) -> pl.DataFrame:
    """Compute the statistics of every model item with at least `min_buyers` buyers.

    Args:
        daily: `subject, item, day` with model items, one row each; see `recsys.history.purchase_days`.
        as_of: Only what is dated strictly before this day counts, and ages are measured from it.
        min_buyers: k of design.md 6: an item bought by fewer people would tell about them.

    Returns:
        The item-statistics contract, by item.
    """
    bought = daily.filter(pl.col("day") < as_of).unique(["subject", "item", "day"])
    buyers = (
        bought.group_by("item", "subject")
        .agg(pl.len().alias("days"))
        .group_by("item")
        .agg(pl.len().cast(pl.Int64).alias("buyers"), (pl.col("days") > 1).mean().alias("repeat_rate"))
        .filter(pl.col("buyers") >= min_buyers)
    )
    items = buyers.join(_popularities(bought, as_of), on="item").sort("item")
    shares = [pl.col(popularity_column(days)) / pl.col(popularity_column(days)).sum() + _SMALL for days in _TREND]
    return items.with_columns((shares[0] / shares[1]).log().alias("trend")).select(
        column.name for column in ITEM_STATISTICS.columns
    )


def _popularities(bought: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """`item` and its popularities. Summed by day, in the order of days: the same purchases give the same bits."""
    age = (pl.lit(as_of) - pl.col("day")).dt.total_days().cast(pl.Float64)
    count = pl.col("count").cast(pl.Float64)
    by_day = bought.group_by("item", "day").agg(pl.len().alias("count")).sort("item", "day")
    return by_day.group_by("item", maintain_order=True).agg(
        count.sum().alias(popularity_column(None)),
        *((count * (-age / days * _LN_2).exp()).sum().alias(popularity_column(days)) for days in HALF_LIVES_DAYS),
    )
