"""The bundle's own two tables: what the model has learned, and which item is which of it."""

from __future__ import annotations

from typing import Final

import polars as pl

from recsys.contracts.table import Column, TableContract, filled

VOCABULARY: Final = TableContract(
    name="vocabulary",
    version=2,
    columns=(
        Column("item", pl.String(), "The model item; its row, from 0, is its number in the graph", check=filled),
        Column("category", pl.Int64(), "The number of its category, from 0", check=lambda value: value >= 0),
    ),
    unique=("item",),
)

ITEM_MAP: Final = TableContract(
    name="item-map",
    version=1,
    columns=(
        Column("item", pl.String(), "What is sold", check=filled),
        Column("model_item", pl.String(), "The model item that it belongs to", check=filled),
        Column(
            "part",
            pl.Float64(),
            "Which part of the model item it is, above 0, up to 1; without the column, equal ones",
            required=False,
            check=lambda value: (value > 0) & (value <= 1),
        ),
    ),
    unique=("item",),
)
