"""Purchases as numbers: what the measures of the gate work on, in about twenty bytes a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pseudonymize.distinct import Coded, encoded
from pseudonymize.parquet_files import columns_of, record_batches

_HASH_BITS: Final = 64
_BATCH: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of purchases with a positive quantity: a return says nothing that its purchase does not.

    Args:
        people: A hash of each subject's token, rising. Of n subjects, two share one with probability n² / 2⁶⁵: for
            10⁷ of them about 3·10⁻⁶.
        items: The names of the items, in order.
        subject: For each row, the place of its subject in `people`.
        item: For each row, the place of its item in `items`.
        day: For each row, the days since 1970.
    """

    people: NDArray[np.uint64]
    items: pl.Series
    subject: NDArray[np.uint32]
    item: NDArray[np.uint32]
    day: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.subject)


class Numbering:
    """Numbers for distinct values, in the order in which they come."""

    def __init__(self, dtype: pl.DataType) -> None:
        self._known = pl.DataFrame(schema={"value": dtype, "number": pl.UInt32})

    @property
    def values(self) -> pl.Series:
        """The values, by number."""
        return self._known["value"]

    def of(self, values: pl.Series) -> NDArray[np.uint32]:
        """The number of each value; new ones get the next."""
        given = values.alias("value").to_frame()
        found = self._found(given)
        if found.null_count():
            new = given.filter(found.is_null()).unique(maintain_order=True)
            number = pl.int_range(len(self.values), len(self.values) + new.height, dtype=pl.UInt32, eager=True)
            self._known = pl.concat([self._known, new.with_columns(number=number)])
            found = self._found(given)
        return found.to_numpy()

    def _found(self, given: pl.DataFrame) -> pl.Series:
        return given.join(self._known, on="value", how="left", nulls_equal=True, maintain_order="left")["number"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of purchases: numbers of subjects and items, days since 1970, and which have a positive quantity."""

    subject: NDArray[np.uint32]
    item: NDArray[np.uint32]
    day: NDArray[np.int32]
    sold: NDArray[np.bool_]


class Reader:
    """Reads a file of purchases, checked already, once. Subjects are numbered by the hash of their token."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = int(pq.read_metadata(path).num_rows)
        self.subjects = Numbering(pl.UInt64())
        self.items = Numbering(pl.String())

    def parts(self) -> Iterator[Part]:
        """The rows, some at a time."""
        for frame, coded in tables(self._path, ("subject", "item", "day", "quantity")):
            who, what = (coded[name] if name in coded else encoded(frame[name]) for name in ("subject", "item"))
            yield Part(
                self.subjects.of(who.values.hash())[who.places.to_numpy()],
                self.items.of(what.values)[what.places.to_numpy()],
                frame["day"].to_physical().to_numpy(),
                (frame["quantity"] > 0).fill_null(value=False).to_numpy(),
            )


class Gathering:
    """Lines of some or all subjects, as a reader comes by them."""

    def __init__(self, reader: Reader, *, share: float = 1.0) -> None:
        """`share` of the subjects is chosen, by hash."""
        self._reader = reader
        self._below = int(share * 2**_HASH_BITS) if share < 1 else None
        none = np.empty(0, np.uint32)
        self._parts: list[tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int32]]] = [
            (none, none, none.astype(np.int32))
        ]

    def add(self, part: Part) -> None:
        """Take what was sold to the chosen."""
        wanted = part.sold
        if self._below is not None:
            chosen = (self._reader.subjects.values < self._below).to_numpy()
            wanted = wanted & chosen[part.subject]
        self._parts.append((part.subject[wanted], part.item[wanted], part.day[wanted]))

    def lines(self) -> Lines:
        """All of them."""
        subject, item, day = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        people, who = _in_order(self._reader.subjects.values, subject)
        items, what = _in_order(self._reader.items.values, item)
        return Lines(people.to_numpy(), items.alias("item"), who, what, day)


def read_lines(path: Path) -> Lines:
    """The rows of a file of purchases, checked already."""
    reader = Reader(path)
    gathering = Gathering(reader)
    for part in reader.parts():
        gathering.add(part)
    return gathering.lines()


def tables(path: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[pl.DataFrame, dict[str, Coded]]]:
    """A Parquet file, some rows at a time: its columns, those of text by their distinct values where it has them so."""
    if not pq.read_metadata(path).num_rows:
        yield pl.read_parquet(path, columns=list(columns) if columns else None), {}
    waiting: list[pa.RecordBatch] = []
    for batch in record_batches(path, rows=_BATCH, columns=columns):
        waiting.append(batch)
        if sum(batch.num_rows for batch in waiting) >= _BATCH:
            yield columns_of(waiting)
            waiting = []
    if waiting:
        yield columns_of(waiting)


def frames(path: Path, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """A Parquet file, some rows at a time, cell by cell."""
    names = columns or pq.read_schema(path).names
    for frame, coded in tables(path, columns):
        yield frame.with_columns(column.text.alias(name) for name, column in coded.items()).select(names)


def tokens_in(path: Path) -> pl.Series:
    """The tokens of the subjects in a file, each once."""
    seen = pl.Series("subject", dtype=pl.String)
    for frame, coded in tables(path, ("subject",)):
        new = coded["subject"].values if "subject" in coded else frame["subject"]
        seen = pl.concat([seen, new.unique().alias("subject")]).unique()
    return seen


def share_of(rows: int, most: int) -> float:
    """The share of subjects whose rows are about `most` of `rows`."""
    return min(1.0, most / max(rows, 1))


def _in_order(values: pl.Series, numbers: NDArray[np.uint32]) -> tuple[pl.Series, NDArray[np.uint32]]:
    """Those of the values that are named, rising, and for each number the place of its value among them."""
    named = np.zeros(len(values), np.bool_)
    named[numbers] = True
    numbered = values.alias("value").to_frame().with_row_index("number").filter(pl.Series(named)).sort("value")
    place = np.zeros(len(values), np.uint32)
    place[numbered["number"].to_numpy()] = np.arange(numbered.height, dtype=np.uint32)
    return numbered["value"], place[numbers]
