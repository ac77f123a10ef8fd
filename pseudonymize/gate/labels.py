"""What an item is called at each level: itself, or the part of its category path that the level keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.gate.settings import PARTS, Level
from recsys.contracts.catalogue import PATH_SEPARATOR, split_path
from recsys.errors import UsageError


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of some items.

    Args:
        names: The labels, in order.
        place: For each item, the place of its label; -1 where the catalogue does not place it.
    """

    names: pl.Series
    place: NDArray[np.int64]

    def among(self, names: pl.Series) -> Labels:
        """The same labels, with their places in another list of names, which holds them all."""
        moved = names.search_sorted(self.names).cast(pl.Int64).to_numpy()
        return Labels(names, np.where(self.place < 0, -1, moved[self.place] if len(moved) else -1))


def labels_of(items: pl.Series, level: Level, paths: pl.DataFrame | None) -> Labels:
    """The labels of `items` at a level.

    Args:
        items: Their names.
        level: How much of the path is kept.
        paths: A catalogue's `item` and `category`; needed above the item.

    Raises:
        UsageError: There is no catalogue, and the level needs one.
    """
    if level is Level.ITEM:
        return _labels(items)
    if paths is None:
        raise UsageError(f"the level {level} needs the items' categories", where="--catalogue", mend="Name a catalogue")
    distinct = paths.select(pl.col("category").drop_nulls().unique(maintain_order=True))["category"]
    wider = pl.Series([PATH_SEPARATOR.join(split_path(path)[: PARTS[level]]) for path in distinct], dtype=pl.String)
    known = paths.select("item", "category").join(pl.DataFrame({"category": distinct, "label": wider}), on="category")
    return _labels(items.to_frame("item").join(known, on="item", how="left", maintain_order="left")["label"])


def _labels(of_items: pl.Series) -> Labels:
    names = of_items.drop_nulls().unique().sort().alias("label")
    place = names.search_sorted(of_items.fill_null("")).cast(pl.Int64).to_numpy()
    return Labels(names, np.where(of_items.is_null().to_numpy(), -1, place))
