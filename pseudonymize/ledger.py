"""Which canonical values of a field were seen in a run, so that two of them with one token are noticed."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from pseudonymize.tokens import Tokens
from recsys.errors import RecsysError

_LEAST_PENDING: Final = 1 << 20


class Ledger:
    """The distinct canonical values of one field, each with its root token.

    Values are known by a hash of 64 bits, so that memory grows by 32 bytes a distinct value and holds none of them. Two
    of 10⁸ values have one hash with a probability of 3·10⁻⁴: then the count is one too small.
    """

    def __init__(self, *, counting: bool = True) -> None:
        """Without `counting` it notes nothing, for a process that lives long."""
        self._counting = counting
        self._seen = pl.DataFrame(schema={"value": pl.UInt64, "high": pl.UInt64, "low": pl.UInt64})
        self._written: pl.Series | None = None  # as long as all was written in its canonical form, no other is known
        self._pending: list[pl.DataFrame] = []
        self._pending_written: list[pl.Series] = []
        self._pending_rows = 0

    def add(self, written: pl.Series, canonical: pl.Series, roots: Tokens) -> None:
        """Note canonical values and their root tokens, row by row, and what they were read from.

        Values seen before may come again. Of `written` only those that could be read count.
        """
        if not self._counting:
            return
        values, alike = canonical.hash(), written.equals(canonical)
        if self._written is None and not alike:
            self._merge()
            self._written = self._seen["value"]
        if self._written is not None:
            self._pending_written.append(values if alike else written.hash())
        self._pending.append(pl.DataFrame({"value": values, "high": roots[:, 0], "low": roots[:, 1]}))
        self._pending_rows += len(canonical)
        if self._pending_rows > max(_LEAST_PENDING, self._seen.height):  # so that merging costs O(1) a value
            self._merge()

    def check(self, field: str) -> int:
        """The number of distinct values.

        Raises:
            RecsysError: Two of them have the same token.
        """
        self._merge()
        if not _twice(self._seen["high"]):
            return self._seen.height
        likely = self._seen.filter(self._seen["high"].is_duplicated())
        collisions = likely.height - likely.select("high", "low").unique().height
        if collisions:
            raise RecsysError(
                f"{collisions} collisions among {self._seen.height} distinct values: two people would become one",
                where=f"field {field!r}",
                mend="Nothing was written. This does not happen by chance: check the machine and the installation",
            )
        return self._seen.height

    @property
    def written(self) -> int:
        """The number of distinct values before they were brought into their canonical form."""
        self._merge()
        return self._seen.height if self._written is None else len(self._written)

    def _merge(self) -> None:
        self._seen = _each_once(pl.concat([self._seen, *self._pending]))
        if self._written is not None:
            self._written = pl.concat([self._written, *self._pending_written]).unique()
        self._pending, self._pending_rows, self._pending_written = [], 0, []


def _each_once(seen: pl.DataFrame) -> pl.DataFrame:
    """A row of each value: by sorting, half the time of a hash table."""
    order = np.argsort(seen["value"].to_numpy())
    values = seen["value"].to_numpy()[order]
    first = np.ones(len(values), np.bool_)
    first[1:] = values[1:] != values[:-1]
    return seen[order[first]]


def _twice(numbers: pl.Series) -> bool:
    """Whether any number stands there twice: among the halves of root tokens that happens hardly ever."""
    ordered = np.sort(numbers.to_numpy())
    return bool((ordered[1:] == ordered[:-1]).any())
