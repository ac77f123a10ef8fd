"""Offers from the real weekly mailer: one for each type of goods that most shops advertise in the week."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl
from source import Source
from titles import goods_name

from recsys.contracts.catalogue import split_path

_FIRST_MONDAY: Final = dt.date(2016, 12, 26)  # of the data's week 1
_NOT_ADVERTISED: Final = "0"


def mailer_offers(source: Source, catalogue: pl.DataFrame, monday: dt.date) -> pl.DataFrame:
    """The goods in the mailer of the week of `monday`, by type; a product counts if half of the shops advertise it.

    Coupons hardly touch what is sensitive; the mailer advertises beer, wine and pork beside everything else.
    """
    week = (monday - _FIRST_MONDAY).days // 7 + 1
    listed = source.promotions.filter(pl.col("week") == week).select("product_id", "store_id", "mailer_location")
    shops = listed.select(pl.col("store_id").n_unique()).collect().item()
    advertised = (
        listed.filter(pl.col("mailer_location") != _NOT_ADVERTISED)
        .group_by(pl.col("product_id").cast(pl.String).alias("item"))
        .agg(pl.col("store_id").n_unique().alias("shops"))
        .filter(2 * pl.col("shops") >= shops)
        .collect()
    )
    offers = (
        advertised.join(catalogue.select("item", "category").drop_nulls(), on="item")
        .group_by("category")
        .agg(pl.col("item").sort().alias("items"))
        .sort("category")
    )
    return offers.select(
        pl.format("mailer-{}-{}", pl.lit(week), pl.col("items").list.first()).alias("offer_id"),
        pl.format("mailer-{}", pl.lit(week)).alias("campaign"),
        pl.lit(monday).alias("valid_from"),
        pl.lit(monday + dt.timedelta(days=6)).alias("valid_until"),
        "items",
        pl.Series("title", [f"This week: {goods_name(*split_path(path))}" for path in offers["category"]]),
    )
