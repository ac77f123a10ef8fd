"""The category of each model item: what its path lies in, or, for items, their path."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.catalogue import PATH_SEPARATOR, split_path
from recsys.contracts.manifest import Level
from recsys.history import ItemIndex


def categories_of(vocabulary: ItemIndex, catalogue: pl.DataFrame | None, level: Level) -> NDArray[np.int64]:
    """int64 [M], numbered in the order of names; all zero where no category is known.

    Args:
        vocabulary: The M model items.
        catalogue: In the catalogue contract; None: not given.
        level: What a model item is. A type's category is the path above it.
    """
    if level is Level.TYPE:
        names = [PATH_SEPARATOR.join(split_path(name)[:-1]) for name in vocabulary.names]
    else:
        known = {} if catalogue is None else dict(catalogue.select("item", "category").iter_rows())
        names = [known.get(name) or "" for name in vocabulary.names]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64)
