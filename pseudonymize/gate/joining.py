"""Rows about one person from several files, or under several identifiers, become one row.

The stricter one wins: a purpose is agreed to where a file says yes and no file that asks says no; nobody is of age whom
a file that asks does not call so. Interests are put together; of store, region and demographic groups the first that is
filled stays, in the order of the policy's tables and of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from recsys.contracts.table import TableContract

_ASKED: Final = ("refused", "doubted")  # columns beside the contract's own: what a file asked for and did not get


class Joining:
    """Rows of one contract that wait until all files were read."""

    def __init__(self, contract: TableContract) -> None:
        self.contract = contract
        self._askers: dict[str, list[pl.Series]] = {}
        self._waiting: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame, asked: Iterable[str], table: str) -> None:
        """Take rows of a file of `table`, that asks for these purposes."""
        asked = sorted(asked)
        if asked:
            self._askers.setdefault(table, []).append(frame["subject"])
        if "consents" in frame.columns:
            purposes = pl.lit(asked, pl.List(pl.String))
            frame = frame.with_columns(refused=purposes.list.set_difference(pl.col("consents")))
        if "adult" in frame.columns:
            frame = frame.with_columns(doubted=~pl.col("adult").fill_null(value=False))
        self._waiting.append(frame)

    @property
    def askers(self) -> list[str]:
        """The tables that ask for a consent."""
        return sorted(self._askers)

    def people_not_everywhere(self) -> int:
        """How many have no row in one of the tables that ask for a consent."""
        people = [pl.concat(parts).unique() for parts in self._askers.values()]
        return int((pl.concat(people).value_counts()["count"] < len(people)).sum()) if people else 0

    def rows(self) -> tuple[pl.DataFrame, int]:
        """One row for each key of the contract, in the order in which they came; how many there were before."""
        whole = pl.concat(self._waiting, how="diagonal")
        keys, names = list(self.contract.unique), [column.name for column in self.contract.columns]
        values = [name for name in whole.columns if name not in {*keys, *_ASKED}]
        grouped = whole.group_by(keys, maintain_order=True).agg(_joined(name) for name in values)
        return grouped.select(name for name in names if name in grouped.columns), len(whole)


def _joined(name: str) -> pl.Expr:
    column = pl.col(name)
    match name:
        case "consents":
            agreed = column.explode().drop_nulls().unique(maintain_order=True)
            return agreed.filter(~agreed.is_in(pl.col("refused").explode().drop_nulls().implode()))
        case "interests":
            return column.explode().drop_nulls().unique(maintain_order=True)
        case "adult":
            of_age = pl.when(~pl.col("doubted").any() & column.any()).then(pl.lit(value=True))
            return pl.when((~column).any()).then(pl.lit(value=False)).otherwise(of_age).alias(name)
        case _:
            return column.drop_nulls().first()
