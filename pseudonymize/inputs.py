"""Raw files as streams of batches: CSV and Parquet, never more than a batch in memory.

No error repeats a cell. The readers' own messages do (pyarrow quotes the row it stumbles over), so they are dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pseudonymize.csv_files import csv_names, csv_pieces
from pseudonymize.distinct import Coded
from pseudonymize.parquet_files import columns_of, record_batches
from pseudonymize.pieces import Piece, Skip, without_nul
from recsys.errors import ContractError

_BATCH_ROWS: Final = range(1 << 17, 1 << 20)  # work on distinct values is done anew for each batch
_BATCH_CELLS: Final = 1 << 23  # what a batch takes of memory grows with its cells
_BATCH_PIECES: Final = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, with their numbers in it from 1; a CSV's header has none, nor have blank lines.

    Args:
        numbers: Theirs.
        names: Of the columns, in the order of the file.
        plain: The columns that stand in the file cell by cell.
        coded: Those of text that stand there by their distinct values.
    """

    numbers: pl.Series
    names: tuple[str, ...]
    plain: pl.DataFrame
    coded: Mapping[str, Coded]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(self.numbers)

    @property
    def frame(self) -> pl.DataFrame:
        """All columns, cell by cell."""
        return pl.DataFrame({name: self.column(name) for name in self.names})

    def column(self, name: str) -> pl.Series:
        """A column, cell by cell."""
        return self.coded[name].text if name in self.coded else self.plain[name]


@dataclass(frozen=True, slots=True)
class RawFile:
    """A raw file whose header was read. `stream` reads it from its start; every cell of a CSV is text.

    `stream` is given what to do with rows that are none: those of a CSV with too many or too few cells, and those that
    hold a NUL byte; without, they stop it.
    """

    path: Path
    names: tuple[str, ...]
    stream: Callable[[Skip | None], Iterator[Piece]]

    def batches(self, skip: Skip | None = None) -> Iterator[Batch]:
        """The rows, in order. `skip` hears of rows that are none, so that a batch may be empty.

        Raises:
            ContractError: The file is damaged, cut off, or has no rows.
        """
        seen = 0

        def counted(row: int, why: str, line: str) -> None:
            nonlocal seen
            seen += 1
            if skip is not None:
                skip(row, why, line)

        with _explained(self.path):
            for batch in _gathered(self.stream(counted if skip is not None else None)):
                seen += batch.height
                if batch.height or skip is not None:
                    yield batch
        if not seen:
            raise ContractError("the table has no rows", where=str(self.path), mend="Check the step that wrote it")


def open_raw(path: Path) -> RawFile:
    """Open a CSV or Parquet file and read its header.

    Raises:
        ContractError: Missing, empty, damaged, of another format, or with two columns of one name.
    """
    if not path.is_file():
        raise ContractError("no such file", where=str(path), mend="Name a CSV or Parquet file")
    if path.suffix not in {".csv", ".parquet"}:
        raise ContractError("is neither .csv nor .parquet", where=str(path), mend="Name the file accordingly")
    if path.stat().st_size == 0:
        raise ContractError("the file is empty", where=str(path), mend="Write it again")
    with _explained(path):
        file = _csv(path) if path.suffix == ".csv" else _parquet(path)
    _check_names_differ(file)
    return file


def _gathered(pieces: Iterator[Piece]) -> Iterator[Batch]:
    """Pieces put together until they are worth the work on each."""
    waiting: list[Piece] = []
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) == _BATCH_PIECES or sum(piece.rows.num_rows for piece in waiting) >= _rows(
            piece.rows.num_columns
        ):
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(pieces: list[Piece]) -> Batch:
    numbers = np.concatenate([piece.numbers for piece in pieces])
    plain, coded = columns_of([piece.rows for piece in pieces])
    return Batch(pl.Series(numbers), tuple(pieces[0].rows.schema.names), plain, coded)


def _parquet(path: Path) -> RawFile:
    def stream(skip: Skip | None) -> Iterator[Piece]:
        read = 0
        for rows in record_batches(path, rows=_rows(len(schema))):
            yield without_nul(path, rows, read + 1, skip)
            read += rows.num_rows

    schema = pq.read_schema(path)
    for column in schema:
        if pa.types.is_decimal256(column.type):  # polars does not raise at these: it panics
            raise ContractError(
                f"column {column.name!r} has type {column.type}", where=str(path), mend="Write it as float"
            )
    return RawFile(path, tuple(schema.names), stream)


def _csv(path: Path) -> RawFile:
    names = csv_names(path)
    return RawFile(path, names, partial(csv_pieces, path, names))


def _rows(columns: int) -> int:
    """Of a batch: fewer where there are many columns."""
    return min(max(_BATCH_CELLS // max(columns, 1), _BATCH_ROWS.start), _BATCH_ROWS.stop)


def _check_names_differ(file: RawFile) -> None:
    """Columns are named by their place: without a header, what stands there is somebody's data."""
    for place, name in enumerate(file.names):
        first = file.names.index(name)
        if first != place:
            raise ContractError(
                f"columns {first + 1} and {place + 1} have the same name",
                where=str(file.path),
                mend="Rename one of them, or give the file its header",
            )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError):
        raise ContractError(
            "cannot be read as the table its name promises: it is cut off, damaged or of another format",
            where=str(path),
            mend="Write it again as .parquet, or as .csv in UTF-8 with commas and a header",
        ) from None
