"""Item statistics: aggregates over people, as of a day, each told where k subjects stand behind it."""

from __future__ import annotations

from typing import Final

import polars as pl

from recsys.contracts.table import Column, TableContract, filled, finite

HALF_LIVES_DAYS: Final = (
    30,
    8,
    3,
    1,
)  # evidence: down to a day, yesterday's popularity can be the strongest signal


def popularity_column(half_life_days: int | None) -> str:
    """The name of the popularity that halves every so many days; None for the one that never does."""
    return "popularity" if half_life_days is None else f"popularity_{half_life_days}d"


def _count(name: str, doc: str) -> Column:
    return Column(name, pl.Float64(), doc, check=lambda value: value.is_finite() & (value >= 0))


ITEM_STATISTICS: Final = TableContract(
    name="item-statistics",
    version=3,
    columns=(
        Column("item", pl.String(), "The model item", check=filled),
        Column("buyers", pl.Int64(), "Distinct subjects", check=lambda value: value > 0),
        _count(popularity_column(None), "Purchase days of all subjects, summed; buyers, where fewer than k came back"),
        *(
            _count(
                popularity_column(days),
                f"The same, each weighted by 2^(-age / {days} days), to tenths below ten, else whole; 0 where fewer "
                f"than k subjects bought it in {4 * days} days",
            )
            for days in HALF_LIVES_DAYS
        ),
        Column(
            "trend",
            pl.Float64(),
            "log((share at half-life 8 days + 1e-9) / (share at half-life 30 days + 1e-9))",
            check=finite,
        ),
        Column(
            "repeat_rate",
            pl.Float64(),
            "Buyers with two purchase days or more, by all; 0 where they are fewer than k, 1 where the others are",
            check=lambda value: value.is_between(0, 1),
        ),
        _count(
            "interval",
            "Mean days between a buyer's consecutive purchase days, with two more of the mean of all items of which k "
            "came back; that mean for the others",
        ),
        _count("days_on_sale", "Days since its k-th buyer first bought it, in whole weeks"),
    ),
    unique=("item",),
)
