"""Raw files as streams of batches: CSV and Parquet, never more than a batch in memory.

No error repeats a cell. The readers' own messages do (pyarrow quotes the row it stumbles over), so they are dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recsys.errors import ContractError

Skip = Callable[[int, str], None]

_BATCH_ROWS: Final = 1 << 19  # work on distinct values is done anew for each batch
_CSV_BLOCK: Final = 1 << 20  # bytes; no row may be much longer, and the reader keeps up to 32 of them ahead
_PARQUET_BUFFER: Final = 1 << 20  # bytes a column; without it a whole row group is read at once


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, with their numbers in it from 1; a CSV's header has none, nor have blank lines."""

    numbers: pl.Series
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class RawFile:
    """A raw file whose header was read. `stream` reads it from its start; every cell of a CSV is text.

    `stream` is given what to do with rows of a CSV whose cells are not as many as the header's; without, they stop it.
    """

    path: Path
    names: tuple[str, ...]
    stream: Callable[[Skip | None], Iterator[pa.RecordBatch]]

    def batches(self, skip: Skip | None = None) -> Iterator[Batch]:
        """The rows, in order. `skip` hears of rows with too many or too few cells: the number and the line.

        Raises:
            ContractError: The file is damaged, cut off, or has no rows.
        """
        read = 0
        skipped: list[int] = []

        def noted(row: int, line: str) -> None:
            skipped.append(row)
            if skip is not None:
                skip(row, line)

        with _explained(self.path):
            for table in _gathered(self.stream(noted if skip is not None else None)):
                numbers = _numbers(read, table.num_rows, skipped)
                yield Batch(numbers, pl.DataFrame(pl.from_arrow(table, rechunk=True)))
                read += table.num_rows
        if read == 0 and not skipped:
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


def _numbers(read: int, height: int, skipped: list[int]) -> pl.Series:
    """The numbers of the next rows, after `read` others, where some rows before or among them were skipped.

    The k-th skipped row (from 0), with number s, stands before exactly the rows that come after s - 1 - k read ones.
    """
    position = np.arange(read + 1, read + height + 1, dtype=np.int64)
    if skipped:
        behind = np.sort(np.asarray(skipped, np.int64)) - 1 - np.arange(len(skipped))
        position += np.searchsorted(behind, position, side="left")
    return pl.Series(position)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together until they are worth the work on each."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(batch.num_rows for batch in waiting) >= _BATCH_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if any(batch.num_rows for batch in waiting):
        yield pa.Table.from_batches(waiting)


def _parquet(path: Path) -> RawFile:
    def stream(_: Skip | None) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_PARQUET_BUFFER) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)

    schema = pq.read_schema(path)
    for field in schema:
        if pa.types.is_decimal256(field.type):  # polars does not raise at these: it panics
            raise ContractError(
                f"column {field.name!r} has type {field.type}", where=str(path), mend="Write it as float"
            )
    return RawFile(path, tuple(schema.names), stream)


def _csv(path: Path) -> RawFile:
    with _csv_reader(path, (), _later) as reader:
        names = tuple(reader.schema.names)

    def stream(skip: Skip | None) -> Iterator[pa.RecordBatch]:
        last: pa.RecordBatch | None = None
        with _csv_reader(path, names, skip) as reader:
            for batch in reader:
                last = batch if batch.num_rows else last
                yield batch
        if last is not None:
            _check_last_quote(path, last)

    return RawFile(path, names, stream)


def _later(row: int, line: str) -> None:
    """What opening a file does with rows that do not fit: reading them is for `stream`."""


@contextlib.contextmanager
def _csv_reader(
    path: Path, names: tuple[str, ...], skip: Skip | None = None
) -> Iterator[pyarrow.csv.CSVStreamingReader]:
    """A reader that takes every column in `names` as text, and white space and newlines within quotes as they are."""
    invalid: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        if skip is not None:
            skip(row.number - 1, row.text)
            return "skip"
        invalid.append(row)
        return "error"  # which makes the reader raise; an exception from in here would be lost

    with (
        _row_named(path, invalid),
        pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        ) as reader,
    ):
        yield reader


@contextlib.contextmanager
def _row_named(path: Path, invalid: list[pyarrow.csv.InvalidRow]) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        if "straddling object" in str(error):
            raise ContractError(
                f"a row is longer than {_CSV_BLOCK >> 20} MiB",
                where=str(path),
                mend="Look for a quotation mark that is never closed",
            ) from None
        if not invalid:
            raise
        row = invalid[0]  # its number counts the header
        raise ContractError(
            f"row {row.number - 1}: its cells number {row.actual_columns}, those of the header {row.expected_columns}",
            where=str(path),
            mend="Put quotation marks around cells that hold a comma",
        ) from None


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


def _check_last_quote(path: Path, last: pa.RecordBatch) -> None:
    """A quote that is never closed swallows the rest of the file into the last cell, without a word from the reader."""
    cell = last.column(last.num_columns - 1)[-1].as_py() or ""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4, 0))
        closed = file.read().rstrip(b"\r\n").endswith(b'"')
    if "\n" in cell and not closed:
        raise ContractError(
            "a quotation mark is never closed; the last row runs to the end of the file",
            where=str(path),
            mend="Close it, or write the file again: it may have been cut off",
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
