"""Which canonical values of a field were seen in a run, so that two of them with one token are noticed."""

from __future__ import annotations

from typing import Final

import polars as pl

from pseudonymize.tokens import Tokens
from recsys.errors import RecsysError

_LEAST_PENDING: Final = 1 << 18


class Ledger:
    """The distinct canonical values of one field, each with its root token. Memory grows with distinct values only."""

    def __init__(self) -> None:
        self._seen = pl.DataFrame(schema={"value": pl.String, "high": pl.UInt64, "low": pl.UInt64})
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0

    def add(self, canonical: pl.Series, roots: Tokens) -> None:
        """Note values and their root tokens, row by row; values seen before may come again."""
        self._pending.append(pl.DataFrame({"value": canonical, "high": roots[:, 0], "low": roots[:, 1]}))
        self._pending_rows += len(canonical)
        if self._pending_rows > max(
            _LEAST_PENDING, self._seen.height
        ):  # so that merging costs O(1) a value, spread out
            self._merge()

    def check(self, field: str) -> int:
        """The number of distinct values.

        Raises:
            RecsysError: Two of them have the same token.
        """
        self._merge()
        collisions = self._seen.height - self._seen.select(pl.struct("high", "low").n_unique()).item()
        if collisions:
            raise RecsysError(
                f"{collisions} collisions among {self._seen.height} distinct values: two people would become one",
                where=f"field {field!r}",
                mend="Nothing was written. This does not happen by chance: check the machine and the installation",
            )
        return self._seen.height

    def _merge(self) -> None:
        self._seen = pl.concat([self._seen, *self._pending]).unique("value")
        self._pending, self._pending_rows = [], 0
