"""Pieces of a raw file, without the rows that hold NUL bytes.

A NUL byte is UTF-8, but no text: a disk left it, or a program that pads its cells. With one and without it, an
identifier looks alike and would be two people.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.errors import ContractError

Skip = Callable[[int, str, str], None]
"""Hears of a row that is no row of the table: its number, why, and the row as text."""

NUL: Final = "holds a NUL byte"
_OFFSETS: Final = {pa.string(): np.int32, pa.large_string(): np.int64}


class Piece(NamedTuple):
    """Some rows of a file, with their numbers in it from 1."""

    numbers: NDArray[np.int64]
    rows: pa.RecordBatch


def without_nul(path: Path, batch: pa.RecordBatch, first: int, skip: Skip | None) -> Piece:
    """The rows that come `first` and after it. `skip` hears of those that hold NUL bytes.

    Raises:
        ContractError: There is such a row, and no `skip`.
    """
    numbers = np.arange(first, first + batch.num_rows)
    column: dict[int, int] = {}
    for place, cells in enumerate(batch.columns, start=1):
        for row in _with_nul(cells):
            column.setdefault(row, place)
    if not column:
        return Piece(numbers, batch)
    if skip is None:
        row = min(column)
        raise ContractError(
            f"row {first + row}, column {column[row]} {NUL}", where=str(path), mend="Write the file again as text"
        )
    for row in sorted(column):
        said = ["" if (cell := cells[row].as_py()) is None else str(cell) for cells in batch.columns]
        skip(first + row, f"column {column[row]} {NUL}", as_line(said))
    keep = np.ones(len(numbers), np.bool_)
    keep[list(column)] = False
    return Piece(numbers[keep], batch.filter(pa.array(keep)))


def as_line(cells: list[str]) -> str:
    """A row as a CSV has it."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


def _with_nul(cells: pa.Array) -> list[int]:
    """The places of the texts that hold a NUL byte."""
    if isinstance(cells, pa.DictionaryArray):
        if cells.dictionary.type not in _OFFSETS or not _may_hold_nul(cells.dictionary):
            return []
        cells = cells.cast(cells.type.value_type)
    if cells.type not in _OFFSETS or not _may_hold_nul(cells):
        return []
    return np.flatnonzero(pc.fill_null(pc.match_substring(cells, "\0"), fill_value=False)).tolist()


def _may_hold_nul(cells: pa.Array) -> bool:
    """A look at the bytes of all cells at once: ten times as fast as one at each cell."""
    _, offset_buffer, data = cells.buffers()
    if data is None or offset_buffer is None or not len(cells):
        return False
    offsets = np.frombuffer(offset_buffer, _OFFSETS[cells.type])[cells.offset : cells.offset + len(cells) + 1]
    used = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return len(used) > 0 and int(used.min()) == 0
