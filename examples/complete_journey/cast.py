"""Who appears in the demo: chosen from the raw data by what they bought and agreed to, not by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl
from stage import Workshop

_DECISION_DAY = dt.datetime(2017, 11, 27)  # noqa: DTZ001 - tills write local time without a zone
_WINDOW = dt.timedelta(days=180)
_BEER = "BEERS/ALES"


@dataclass(frozen=True, slots=True)
class Cast:
    """Loyalty cards, and the offers that the story is about."""

    beer_buyer: str
    beer_stranger: str
    unprofiled: str
    unreachable: str
    beer_offers: frozenset[str]


def choose_cast(shop: Workshop) -> Cast:
    """The household with most beer days of late, the busiest that never bought any, and two who said no."""
    catalogue = pl.read_parquet(shop.catalogue)
    beer = catalogue.filter(pl.col("category").str.contains(_BEER, literal=True))["item"]
    receipts = pl.scan_parquet(shop.raw / "receipts.parquet").filter(pl.col("sold_at") < _DECISION_DAY)
    is_beer = pl.col("item").is_in(beer.implode())
    recent = pl.col("sold_at") >= _DECISION_DAY - _WINDOW
    habits = (
        receipts.group_by("loyalty_card")
        .agg(
            pl.col("sold_at").filter(is_beer & recent).dt.date().n_unique().alias("beer_days"),
            is_beer.any().alias("ever_beer"),
            pl.len().alias("lines"),
        )
        .sort("beer_days", "lines", "loyalty_card", descending=[True, True, False])
        .collect()
    )
    customers = pl.read_csv(shop.raw / "customers.csv", infer_schema=False).join(habits, on="loyalty_card")
    may_profile, may_send = pl.col("consent_profiling") == "yes", pl.col("consent_email") == "yes"
    agreed = customers.filter(may_profile & may_send)
    offers = pl.read_parquet(shop.offers).explode("items").filter(pl.col("items").is_in(beer.implode()))
    return Cast(
        beer_buyer=_most(agreed, "beer_days"),
        beer_stranger=_most(agreed.filter(~pl.col("ever_beer")), "lines"),
        unprofiled=_most(customers.filter(~may_profile.fill_null(value=False) & may_send), "lines"),
        unreachable=_most(customers.filter(~may_send.fill_null(value=False)), "lines"),
        beer_offers=frozenset(offers["offer_id"]),
    )


def _most(customers: pl.DataFrame, by: str) -> str:
    return str(customers.sort(by, "loyalty_card", descending=[True, False])["loyalty_card"][0])
