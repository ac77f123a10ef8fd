"""Working on distinct values: those of a batch and where they stand; how many in all, in memory that does not grow."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl

_KEPT: Final = 1 << 16
_FEW: Final = 1 << 14


class Coded(NamedTuple):
    """A text column as its values, each at least once, and the place of every row's among them.

    An empty cell is a value, too. Once rows were taken out, a value may stand in none, unless `full` says that each of
    them is known to stand in some row.
    """

    values: pl.Series
    places: pl.Series
    full: bool = False

    @property
    def text(self) -> pl.Series:
        """The column row by row."""
        return self.values.gather(self.places)

    def filter(self, keep: pl.Series) -> Coded:
        """The rows where `keep` is true."""
        return Coded(self.values, self.places.filter(keep))

    def used(self) -> Coded:
        """The same rows, without the values that stand in none."""
        if self.full:
            return self
        places = self.places.to_numpy()
        held = np.zeros(len(self.values), np.bool_)
        held[places] = True
        if held.all():
            return self._replace(full=True)
        renumbered = (np.cumsum(held) - 1).astype(np.uint32)
        return Coded(self.values.filter(pl.Series(held)), pl.Series(renumbered[places]), full=True)


def encoded(values: pl.Series) -> Coded:
    """A text column by its distinct values.

    Hashes are encoded instead of the values, three times as fast; values that share one are noticed.
    """
    codes = values.hash().to_arrow().dictionary_encode()
    places = pl.Series(pl.from_arrow(codes.indices), dtype=pl.UInt32)
    a_row_of = np.empty(len(codes.dictionary), np.uint32)
    a_row_of[places.to_numpy()] = np.arange(len(values), dtype=np.uint32)
    distinct = values.gather(a_row_of)
    if distinct.gather(places).equals(values):
        return Coded(distinct, places, full=True)
    plain = values.unique(maintain_order=True)
    numbered = plain.to_frame("value").with_row_index("place")
    found = values.to_frame("value").join(numbered, on="value", nulls_equal=True, maintain_order="left")["place"]
    return Coded(plain, found, full=True)


def encoded_unless_few(values: pl.Series) -> Coded:
    """As `encoded`, but each of a few values stands for itself: finding those that come twice would take longer."""
    if len(values) > _FEW:
        return encoded(values)
    return Coded(values, pl.Series(np.arange(len(values), dtype=np.uint32)), full=True)


def spread(values: pl.Series, places: pl.Series) -> pl.Series:
    """`values` in order at the true places, empty cells elsewhere."""
    if len(values) == len(places):
        return values
    return pl.Series([None] * len(places), dtype=values.dtype).scatter(places.arg_true(), values)


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
