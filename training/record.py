"""Purchase days as arrays: what windows, matrices and examples are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recsys.history import DAYS, MAX_ROWS, Histories, ItemIndex
from recsys.ragged import changes

Days = NDArray[np.int64]


@dataclass(frozen=True)
class Record:
    """The purchase days of N subjects over M model items, P in all, by subject, day and item.

    Args:
        vocabulary: M.
        categories: int64 [M]: the category of each model item; all zero where none is known.
        offsets: int64 [N + 1]: the rows of subject u are `offsets[u]:offsets[u + 1]`.
        item: int32 [P].
        day: int64 [P], since 1970.
        quantity: float32 [P].
    """

    vocabulary: ItemIndex
    categories: NDArray[np.int64]
    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    day: Days
    quantity: NDArray[np.float32]

    @classmethod
    def of(cls, daily: pl.DataFrame, vocabulary: ItemIndex, categories: NDArray[np.int64]) -> Record:
        """Take `subject, item, day, quantity` with model items, one row each; other items are left out."""
        codes = pl.DataFrame({"item": vocabulary.names, "code": np.arange(len(vocabulary), dtype=np.int32)})
        rows = daily.join(codes, on="item").sort("subject", "day", "code")
        lengths = rows.group_by("subject", maintain_order=True).len()["len"].to_numpy()
        return cls(
            vocabulary,
            categories,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows["code"].to_numpy(),
            rows["day"].to_physical().cast(pl.Int64).to_numpy(),
            rows["quantity"].cast(pl.Float32).to_numpy(),
        )

    @property
    def subjects(self) -> int:
        """N."""
        return len(self.offsets) - 1

    @property
    def owner(self) -> NDArray[np.int64]:
        """int64 [P]: the subject of each row."""
        return np.repeat(np.arange(self.subjects), np.diff(self.offsets))

    def counts(self, until: int, *, half_life: float | None = None) -> sparse.csr_matrix:
        """float32 CSR [N, M]: purchase days before `until`, halved every so many days where a half-life is given."""
        seen = self.day < until
        weight = np.ones(seen.sum(), np.float32)
        if half_life is not None:
            weight = np.exp2((self.day[seen] - until) / half_life).astype(np.float32)
        shape = (self.subjects, len(self.vocabulary))
        return sparse.csr_matrix((weight, (self.owner[seen], self.item[seen])), shape=shape)

    def buyers(self, until: int) -> NDArray[np.int64]:
        """int64 [M]: how many subjects bought each model item before `until`."""
        item, day = self._first_bought
        return np.bincount(item[day < until], minlength=len(self.vocabulary)).astype(np.int64)

    def until(self, subjects: NDArray[np.int64], ends: Days) -> Histories:
        """The histories of some subjects, each before a day of its own, bounded as a scorer's are.

        Args:
            subjects: int64 [E].
            ends: int64 [E].
        """
        first, end = self.offsets[subjects], self.offsets[subjects + 1]
        earlier = self.day[_ranges(first, end)] < np.repeat(ends, end - first)  # of these subjects' rows only
        ends_of = np.cumsum(end - first)
        passed = np.concatenate([[0], np.cumsum(earlier)])
        stop = first + passed[ends_of] - passed[ends_of - (end - first)]
        start = np.maximum(first, stop - MAX_ROWS)
        rows = _ranges(start, stop)
        offsets = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
        day = self.day[rows].astype(np.int32)
        nobody = tuple("" for _ in range(len(subjects)))
        once = np.ones(len(rows), np.int32)
        return Histories(nobody, offsets, self.item[rows], day, self.quantity[rows], once)

    @cached_property
    def _first_bought(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """A row for each subject and model item that it ever bought: int32, the item and its first day.

        Sorted out once: every day that is looked back from asks for buyers.
        """
        keys = (self.owner * len(self.vocabulary) + self.item) * DAYS + self.day
        keys.sort()
        cell, day = np.divmod(keys, DAYS)
        first = changes(cell)
        return (cell[first] % len(self.vocabulary)).astype(np.int32), day[first].astype(np.int32)


def _ranges(start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.int64]:
    """start[0] … stop[0] - 1, start[1] … stop[1] - 1, … end to end."""
    lengths = stop - start
    shift = start - (np.cumsum(lengths) - lengths)
    return np.asarray(np.arange(lengths.sum()) + np.repeat(shift, lengths), np.int64)
