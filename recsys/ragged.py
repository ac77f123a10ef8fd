"""Rows of different lengths as two arrays: what NumPy lacks for "the items of each offer"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """R rows of whole numbers.

    Args:
        offsets: int64 [R + 1]; row r is `values[offsets[r]:offsets[r + 1]]`.
        values: int64 [sum of the lengths].
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | NDArray[np.int64]]) -> Ragged:
        """Lay the rows end to end."""
        arrays = [np.asarray(row, np.int64) for row in rows]
        lengths = np.fromiter((len(row) for row in arrays), np.int64, len(arrays))
        values = np.concatenate(arrays) if arrays else np.empty(0, np.int64)
        return cls(offsets_of(lengths), values)

    @classmethod
    def of_pairs(cls, rows: NDArray[np.integer], values: NDArray[np.integer], size: int) -> Ragged:
        """`size` rows from pairs of row and value, each pair once, values in ascending order."""
        span = int(values.max(initial=0)) + 1
        row, value = np.divmod(np.unique(rows.astype(np.int64) * span + values), span)
        return cls(offsets_of(np.bincount(row, minlength=size)), value)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [R]."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> NDArray[np.int64]:
        """int64 [values]: the row of each value."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def row(self, number: int) -> NDArray[np.int64]:
        """The values of one row."""
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def take(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The values of many rows, end to end, and for each the position in `rows` that it came from."""
        lengths = self.lengths[rows]
        owners = np.arange(len(rows)).repeat(lengths)
        shift = self.offsets[1:][rows]
        shift -= lengths.cumsum()
        position = shift[owners]
        position += np.arange(len(owners))
        return self.values[position], owners

    def transposed(self, rows: int) -> Ragged:
        """The other way round: for each of `rows` values, the rows that hold it."""
        order = np.argsort(self.values, kind="stable")
        counts = np.bincount(self.values, minlength=rows)
        return Ragged(offsets_of(counts), self.owners[order])

    def any_of(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """[..., R]: whether any value of a row is flagged in `flags` [..., values' range]; false for empty rows."""
        counted = np.zeros((*flags.shape[:-1], len(self.values) + 1), np.int64)
        np.cumsum(flags[..., self.values], axis=-1, out=counted[..., 1:])
        return np.asarray(counted[..., self.offsets[1:]] > counted[..., self.offsets[:-1]])

    def max_of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., R]: the largest of `scores` [..., values' range] over each row; -inf for empty rows."""
        result = np.full((*scores.shape[:-1], len(self)), -np.inf, np.float32)
        filled = np.flatnonzero(self.lengths)
        if len(filled):
            result[..., filled] = np.maximum.reduceat(scores[..., self.values], self.offsets[filled], axis=-1)
        return result

    def sum_of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., R]: the sums of `scores` [..., values] over the rows; -inf for empty rows."""
        result = np.full((*scores.shape[:-1], len(self)), -np.inf, np.float32)
        filled = np.flatnonzero(self.lengths)
        if len(filled) == len(self.values):  # one value each
            result[..., filled] = scores
        elif len(filled):
            result[..., filled] = np.add.reduceat(scores, self.offsets[filled], axis=-1)
        return result


def in_order(*columns: NDArray[np.integer]) -> NDArray[np.int64]:
    """The positions that put rows in order: by the first column, then by the next; equal rows in any order.

    One sort of one whole number a row wherever the columns' spans fit into it, which they nearly always do.
    """
    lows = [int(column.min(initial=0)) for column in columns]
    spans = [int(column.max(initial=0)) - low + 1 for column, low in zip(columns, lows, strict=True)]
    if math.prod(spans) > np.iinfo(np.int64).max:
        return np.lexsort(columns[::-1])
    packed = np.zeros(len(columns[0]), np.int64)
    for column, low, span in zip(columns, lows, spans, strict=True):
        packed *= span
        packed += column.astype(np.int64) - low
    return np.argsort(packed)


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct values in ascending order; on whole numbers a sort is faster than the hashing of `np.unique`."""
    ordered = np.sort(values)
    return ordered[changes(ordered)]


def changes(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a sorted array begins a new value."""
    changed = np.empty(len(ordered), np.bool_)
    changed[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=changed[1:])
    return changed


def bounds(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [V + 1]: where each of a sorted array's V values begins, and where the last one ends."""
    changed = np.ones(len(ordered) + 1, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=changed[1:-1])
    return changed.nonzero()[0]


def spans(offsets: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Rows that lie end to end, a few at a time: no more than so many values, unless one row has more."""
    start = 0
    while start < len(offsets) - 1:
        stop = max(int(np.searchsorted(offsets, offsets[start] + most, side="right")) - 1, start + 1)
        yield slice(start, stop)
        start = stop


def offsets_of(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64 [R + 1]: where each row begins, and where the last one ends, once they lie end to end."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
