"""Item statistics: popularity at several half-lives, trend and repeat rate, as of a day (contract: statistics.py)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from recsys.contracts.statistics import HALF_LIVES_DAYS, ITEM_STATISTICS, popularity_column

_TREND = (8, 30)  # half-lives, in days, whose shares are compared
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
    age = (pl.lit(as_of) - pl.col("day")).dt.total_days()
    per_buyer = (
        daily.lazy()
        .filter(pl.col("day") < as_of)
        .unique(["subject", "item", "day"])
        .group_by("item", "subject")
        .agg(
            pl.len().cast(pl.Float64).alias(popularity_column(None)),
            *(
                (-age.cast(pl.Float64) / days * 0.6931471805599453).exp().sum().alias(popularity_column(days))
                for days in HALF_LIVES_DAYS
            ),
        )
    )
    popularities = [popularity_column(None), *(popularity_column(days) for days in HALF_LIVES_DAYS)]
    items = (
        per_buyer.group_by("item")
        .agg(
            pl.len().cast(pl.Int64).alias("buyers"),
            pl.col(popularities).sum(),
            (pl.col(popularity_column(None)) > 1).mean().alias("repeat_rate"),
        )
        .filter(pl.col("buyers") >= min_buyers)
        .sort("item")
        .collect()
    )
    shares = [pl.col(popularity_column(days)) / pl.col(popularity_column(days)).sum() + _SMALL for days in _TREND]
    return items.with_columns((shares[0] / shares[1]).log().alias("trend")).select(
        column.name for column in ITEM_STATISTICS.columns
    )
