"""From items (what is sold) to model items (what the model learns): the item itself, or its category path."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.catalogue import PATH_SEPARATOR, split_path
from recsys.contracts.manifest import Level
from recsys.history import ItemIndex


def catalogue_map(catalogue: pl.DataFrame, level: Level) -> pl.DataFrame:
    """`item, model_item` for every item of the catalogue that has one."""
    if level is Level.ITEM:
        return catalogue.select("item", pl.col("item").alias("model_item"))
    placed = catalogue.filter(pl.col("category").is_not_null())
    paths = placed["category"].unique()
    tidy = {path: PATH_SEPARATOR.join(split_path(path)) for path in paths}
    return placed.select("item", pl.col("category").replace_strict(tidy, return_dtype=pl.String).alias("model_item"))


def to_model_items(daily: pl.DataFrame, item_map: pl.DataFrame | None) -> pl.DataFrame:
    """Bring purchase days to model items: one row a subject, model item and day. None: items are model items.

    Of what was returned (`recsys.returns.Netted`): one a subject, model item, day and day on which it was `taken`.
    """
    if item_map is None:
        return daily
    taken = [name for name in ("taken",) if name in daily.columns]
    return (
        daily.join(item_map, on="item")
        .group_by("subject", "model_item", "day", *taken)
        .agg(pl.col("quantity").sum(), pl.col("^baskets$").max())
        .rename({"model_item": "item"})
        .sort("subject", "day", "item", *taken)
    )


def model_codes(index: ItemIndex, vocabulary: ItemIndex, item_map: pl.DataFrame | None) -> NDArray[np.int32]:
    """int32 [len(index)]: the model item of each item, -1 where the model knows none.

    Args:
        index: The items to translate.
        vocabulary: The bundle's model items.
        item_map: `item, model_item`, later rows first served last; None where items are model items.
    """
    if item_map is None:
        return vocabulary.encode(index.names)
    known = dict(item_map.select("item", "model_item").iter_rows())
    return vocabulary.encode(known.get(name, "") for name in index.names)


def item_parts(
    index: ItemIndex, codes: NDArray[np.int32], vocabulary: ItemIndex, item_map: pl.DataFrame | None
) -> NDArray[np.float64]:
    """float64 [len(index)]: which part of its model item each item is; 0 for an item of none.

    Nobody knows yet what an item newer than the map will be: it is what the least of its model item is.

    Args:
        index: The items.
        codes: Their model items.
        vocabulary: The bundle's model items.
        item_map: `item, model_item` and, unless all are to be equal, `part`; None where items are model items.
    """
    if item_map is None:
        return (codes >= 0).astype(np.float64)
    if "part" not in item_map.columns:
        item_map = item_map.with_columns((1 / pl.len().over("model_item")).alias("part"))
    parts = dict(item_map.select("item", "part").iter_rows())
    least = np.ones(len(vocabulary) + 1)
    np.minimum.at(least, vocabulary.encode(item_map["model_item"]), item_map["part"].to_numpy())
    found = np.array([parts.get(name, np.nan) for name in index.names], np.float64)
    return np.where(codes < 0, 0.0, np.where(np.isnan(found), least[codes], found))
