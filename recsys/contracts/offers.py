"""Offers: what may be sent. An offer is as sensitive as the most sensitive thing in it."""

from __future__ import annotations

from typing import Final

import polars as pl

from recsys.contracts.names import CHANNEL_PATTERN, NAME_PATTERN
from recsys.contracts.table import Column, TableContract, filled, finite

_INSTANT: Final = pl.Datetime("us", "UTC")


def _days_to_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """A date covers its whole day: it begins at midnight UTC, and an end date ends with the next midnight."""
    for name, days in (("valid_from", 0), ("valid_until", 1)):
        if name not in frame.columns:
            continue
        values = frame[name]
        if values.dtype == pl.String:
            dates = values.str.to_date("%Y-%m-%d", strict=False)
            values = dates if dates.null_count() == values.null_count() else values
        if values.dtype == pl.Date:
            frame = frame.with_columns(
                values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.offset_by(f"{days}d").alias(name)
            )
    return frame


OFFERS: Final = TableContract(
    name="offers",
    version=1,
    columns=(
        Column(
            "offer_id",
            pl.String(),
            "The offer's key",
            check=lambda value: value.str.contains(NAME_PATTERN),
            mend="Use letters, digits and . _ : - in an offer's key, up to 64 of them",
        ),
        Column("campaign", pl.String(), "What it belongs to", required=False, nullable=True),
        Column(
            "items",
            pl.List(pl.String()),
            "The catalogue's items that it covers, one or many",
            check=lambda value: (value.list.len() > 0) & value.list.eval(filled(pl.element())).list.all(),
            mend="Name at least one item of the catalogue",
        ),
        Column("title", pl.String(), "What a shopper reads", check=filled),
        Column("valid_from", _INSTANT, "First instant at which it may be sent", required=False, nullable=True),
        Column("valid_until", _INSTANT, "First instant at which it no longer may", required=False, nullable=True),
        Column(
            "channels",
            pl.List(pl.String()),
            "Where it may be sent; empty: anywhere",
            required=False,
            nullable=True,
            check=lambda value: value.list.eval(pl.element().str.contains(CHANNEL_PATTERN)).list.all(),
            mend="A channel is lower-case letters, digits and hyphens, as in the consent channel:<name>",
        ),
        Column(
            "placements",
            pl.List(pl.String()),
            "Where it may stand; empty: anywhere",
            required=False,
            nullable=True,
        ),
        Column(
            "stock",
            pl.Int64(),
            "How many are left; empty: not limited",
            required=False,
            nullable=True,
            check=lambda value: value >= 0,
        ),
        Column("value", pl.Float64(), "Worth to the retailer", required=False, nullable=True, check=finite),
        Column("priority", pl.Int64(), "A category manager's order among equals", required=False, nullable=True),
    ),
    unique=("offer_id",),
    prepare=_days_to_instants,
)
