"""How many distinct values a column holds, in memory that does not grow with it."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

_KEPT: Final = 1 << 16


class Distinct:
    """A count of distinct values: exact below 65,536, within about 1 % above (two standard errors are 0.8 %).

    Of all hashes it keeps the k smallest. If the k-th smallest of n hashes, spread evenly over [0, 1), is at u, then n
    is about (k - 1) / u. Bar-Yossef et al., Counting distinct elements in a data stream, 2002.
    """

    def __init__(self) -> None:
        self._smallest = np.empty(0, np.uint64)

    def add(self, values: pl.Series) -> None:
        """Count a batch; empty cells are no value."""
        hashes = values.drop_nulls().hash().to_numpy()
        if not self.exact:
            hashes = hashes[hashes < self._smallest[-1]]
        merged = np.sort(np.concatenate([self._smallest, hashes]))  # several times as fast as np.unique
        first = np.ones(len(merged), np.bool_)
        first[1:] = merged[1:] != merged[:-1]
        self._smallest = merged[first][:_KEPT]

    @property
    def exact(self) -> bool:
        """Whether `count` is exact."""
        return len(self._smallest) < _KEPT

    @property
    def count(self) -> int:
        """The number of distinct values."""
        if self.exact:
            return len(self._smallest)
        return round((_KEPT - 1) / (float(self._smallest[-1]) / 2.0**64))
