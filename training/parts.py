"""Which part of its model item each item is: what an offer of it stands for (`recsys.pooling`, docs/adr/0003)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from recsys.pooling import HALF_LIFE_DAYS


def with_parts(item_map: pl.DataFrame, daily: pl.DataFrame, *, until: dt.date, min_buyers: int) -> pl.DataFrame:
    """`item, model_item, part`: half by what was sold, half by number. The parts of a model item add up to 1.

        part = (sold / Σ sold + 1 / items) / 2

    Sold are purchase days, each halved every 168 days. Of an item with fewer buyers than `min_buyers` none is counted,
    for it would tell on them; where that leaves nothing of a model item, its items have equal parts.

    Args:
        item_map: `item, model_item`.
        daily: `subject, item, day, …`, one row each.
        until: The day that ages are measured from.
        min_buyers: k of design.md 6.
    """
    left = pl.lit(2.0) ** ((pl.col("day") - pl.lit(until)).dt.total_days() / HALF_LIFE_DAYS)
    sold = (
        daily.group_by("item", maintain_order=True)
        .agg(left.sum().alias("sold"), pl.col("subject").n_unique().alias("buyers"))
        .filter(pl.col("buyers") >= min_buyers)
        .select("item", "sold")
    )
    of_all = pl.col("sold").sum().over("model_item")
    equal = 1 / pl.len().over("model_item")
    return (
        item_map.join(sold, on="item", how="left", maintain_order="left")
        .with_columns(pl.col("sold").fill_null(0))
        .select(
            "item",
            "model_item",
            pl.when(of_all > 0).then((pl.col("sold") / of_all + equal) / 2).otherwise(equal).alias("part"),
        )
    )
