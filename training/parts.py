"""Which part of its model item each item is: what an offer of it stands for (`recsys.pooling`, docs/adr/0003)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from recsys.pooling import HALF_LIFE_DAYS

_LATELY: Final = 4  # half-lives, as in `recsys.statistics`
_DIGITS: Final = 2


def with_parts(item_map: pl.DataFrame, daily: pl.DataFrame, *, until: dt.date, min_buyers: int) -> pl.DataFrame:
    """`item, model_item, part`: half by what was sold, half by number. Those of a model item make about 1.

        part = (sold / Σ sold + 1 / items) / 2

    Sold are purchase days, each halved every 168 days; their share has two digits. Of an item that fewer than
    `min_buyers` bought in the last four times as many days none is counted, for it would tell on them; where that
    leaves nothing of a model item, its items have equal parts.

    Args:
        item_map: `item, model_item`.
        daily: `subject, item, day, …`, one row each.
        until: The day that ages are measured from.
        min_buyers: k of design.md 6.
    """
    age = (pl.lit(until) - pl.col("day")).dt.total_days()
    left, late = pl.lit(2.0) ** (-age / HALF_LIFE_DAYS), age <= _LATELY * HALF_LIFE_DAYS
    sold = (
        daily.group_by("item", maintain_order=True)
        .agg(left.sum().alias("sold"), pl.col("subject").filter(late).n_unique().alias("buyers"))
        .filter(pl.col("buyers") >= min_buyers)
        .select("item", "sold")
    )
    of_all = pl.col("sold").sum().over("model_item")
    share = (pl.col("sold") / of_all).round_sig_figs(_DIGITS)
    equal = 1 / pl.len().over("model_item")
    return (
        item_map.join(sold, on="item", how="left", maintain_order="left")
        .with_columns(pl.col("sold").fill_null(0))
        .select(
            "item",
            "model_item",
            pl.when(of_all > 0).then((share + equal) / 2).otherwise(equal).alias("part"),
        )
    )
