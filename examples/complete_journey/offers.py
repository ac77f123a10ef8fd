"""Offers from the real coupons of the campaigns that are live in one week, and who redeemed which coupon when."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Final

import polars as pl
from source import Source
from titles import goods_name, readable

from recsys.contracts.catalogue import split_path
from recsys.errors import UsageError

_DAYS_OF_A_WEEK: Final = 7


def live_coupons(source: Source, catalogue: pl.DataFrame, monday: dt.date) -> pl.DataFrame:
    """The coupons of the campaigns that run on at least one day of the week of `monday`, one offer each.

    Raises:
        UsageError: No campaign runs in that week.
    """
    dated = source.campaigns.with_columns(pl.col("start_date", "end_date").cast(pl.Date))
    sunday = monday + dt.timedelta(days=_DAYS_OF_A_WEEK - 1)
    live = dated.filter((pl.col("start_date") <= sunday) & (pl.col("end_date") >= monday))
    if live.is_empty():
        raise UsageError("no campaign ran in that week", where="--week-of", mend="Name a week of 2017")
    lines = (
        source.coupons.join(live, on="campaign_id")
        .select(
            _offer_id(),
            pl.col("campaign_id").cast(pl.String).alias("campaign"),
            pl.col("product_id").cast(pl.String).alias("item"),
            pl.col("start_date").alias("valid_from"),
            pl.col("end_date").alias("valid_until"),
        )
        .unique()
        .join(catalogue.select("item", "category"), on="item")
    )
    offers = lines.group_by("offer_id", "campaign", "valid_from", "valid_until").agg(
        pl.col("item").sort().alias("items")
    )
    return offers.join(_titles(lines), on="offer_id").sort("offer_id")


def all_redemptions(source: Source, cards: pl.DataFrame) -> pl.DataFrame:
    """Who redeemed what and when, in all campaigns of the year."""
    return (
        source.redemptions.join(cards, on="household_id")
        .select("loyalty_card", _offer_id(), pl.col("redemption_date").cast(pl.Date).alias("redeemed_on"))
        .sort("redeemed_on", "loyalty_card", "offer_id")
    )


def _offer_id() -> pl.Expr:
    return pl.format("{}-{}", "campaign_id", "coupon_upc").alias("offer_id")


def _titles(lines: pl.DataFrame) -> pl.DataFrame:
    grouped = lines.group_by("offer_id").agg(pl.col("category").drop_nulls().alias("paths"))
    titles = [f"Coupon: {_covered(paths)}" if paths else "Coupon" for paths in grouped["paths"].to_list()]
    return grouped.select("offer_id", pl.Series("title", titles))


def _covered(paths: list[str]) -> str:
    """The only type, or the most common category and how many more there are."""
    parts = [split_path(path) for path in paths]
    if len(set(parts)) == 1:
        return goods_name(*parts[0])
    categories = Counter(category for _, category, _ in parts)
    widest = min(categories, key=lambda name: (-categories[name], name))
    return readable(widest) + (f" and {len(categories) - 1} more" if len(categories) > 1 else "")
