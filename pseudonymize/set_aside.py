"""Rows that cannot pass: the run stops at the first one, or sets them aside for the vault's quarantine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from recsys.contracts.table import Origin
from recsys.errors import ContractError


@dataclass(slots=True)
class SetAside:
    """The rows of one file that were set aside, each with the column and the first reason.

    Args:
        path: The file.
        lenient: Whether any bad cell sets its row aside; else only an identifier that cannot be read does.
    """

    path: Path
    lenient: bool
    reasons: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, rows: pl.Series, column: str, why: str) -> None:
        """Set rows aside, by their numbers in the file."""
        for row in rows:
            self.reasons.setdefault(row, (column, why))

    def kept(self, numbers: pl.Series) -> pl.Series:
        """Which rows were not set aside, by their numbers."""
        if not self.reasons:
            return pl.repeat(value=True, n=len(numbers), dtype=pl.Boolean, eager=True)
        return ~numbers.is_in(sorted(self.reasons))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cells of one column of a batch stand: the numbers of their rows in the file.

    Where values are looked at instead of cells, `places` has for each row the place of its value.
    """

    aside: SetAside
    column: str
    numbers: pl.Series
    places: pl.Series | None = None

    def of_values(self, places: pl.Series) -> Place:
        """The same for the values that stand in the rows."""
        return replace(self, places=places)

    def refuse(self, wrong: pl.Series, why: str, *, mend: str) -> None:
        """As `Sieve.refuse`; a wrong value is wrong in every row."""
        if self.places is not None:
            if not wrong.any():
                return
            wrong = wrong.gather(self.places)
        Sieve(str(self.aside.path), self.numbers, aside=self.aside).refuse(wrong, self.column, why, mend=mend)

    def set_aside(self, unread: pl.Series, why: str) -> None:
        """Set the true rows aside, however strict the table is."""
        if unread.any():
            self.aside.add(self.numbers.filter(unread), self.column, why)

    def wrong_type(self, values: pl.Series, expected: str) -> ContractError:
        """An error for a column that as a whole holds something else."""
        what = f"column {self.column!r} has type {values.dtype}, expected {expected}"
        return ContractError(what, where=str(self.aside.path), mend="Write it as that, or as text")


@dataclass(frozen=True, slots=True)
class Sieve(Origin):
    """An origin whose bad rows are set aside where the table is lenient."""

    aside: SetAside | None = None

    def kept(self) -> pl.Series:
        """Which rows were not set aside."""
        if self.aside is None or self.rows is None:
            raise ValueError("a sieve without rows")
        return self.aside.kept(self.rows)

    def refuse(self, wrong: pl.Series, column: str, why: str, *, mend: str) -> None:
        """Set the true rows aside, or raise as any origin; the cell is not repeated."""
        if self.aside is None or self.rows is None or not self.aside.lenient:
            Origin.refuse(self, wrong, column, why, mend=mend)
        else:
            self.aside.add(self.rows.filter(wrong), self.name(column), why)
