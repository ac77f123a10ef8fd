"""CSV as pieces of a table, all of it text: read by Arrow up to the first row that does not fit, then row by row.

Arrow must be given no Python to call, neither a handler of bad rows nor a Python file: it reads ahead in threads of its
own, which closing does not end, and one that wants the interpreter while that shuts down aborts the process. So it
gives up at a row with too many or too few cells, or one longer than a block, and Python goes on from there.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pseudonymize.pieces import NUL, Piece, Skip, as_line, without_nul
from recsys.errors import ContractError

_BLOCK: Final = 1 << 20  # bytes; Arrow reads no row that is much longer, and keeps up to 32 of them ahead
_LONGEST: Final = 64 << 20  # characters of a row that goes to quarantine: beyond it, it is the rest of the file
_ROWS: Final = 1 << 16  # in a piece that Python's reader made
_STRADDLING: Final = "straddling object"  # what Arrow says of a row that is longer than a block
_RAGGED: Final = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")


@dataclass(slots=True)
class _Last:
    """The last cell that was read."""

    cell: str = ""


class _Lines(Iterator[str]):
    """The lines of a file, those of the row that is being read kept."""

    def __init__(self, path: Path, file: io.TextIOBase) -> None:
        self._path, self._file = path, file
        self._row: list[str] = []
        self._size = 0
        self._open = False  # a quotation mark

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST)
        if not line:
            raise StopIteration
        self._row.append(line)
        self._size += len(line)
        self._open ^= line.count('"') % 2 == 1
        if self._size >= _LONGEST:
            raise _never_closed(self._path)
        return line

    def begin(self) -> None:
        """Begin a row."""
        self._row, self._size, self._open = [], 0, False

    def rest(self) -> str:
        """All of a row that was begun: up to the line on which its quotation marks are closed."""
        while self._open:
            if next(self, None) is None:
                raise _never_closed(self._path)
        return "".join(self._row).rstrip("\r\n")


def csv_names(path: Path) -> tuple[str, ...]:
    """The cells of the header; that the rest is UTF-8 is for `csv_pieces` to say."""
    header = next(_parsed(path, errors="replace"), [])
    if isinstance(header, str):
        raise _too_long(path)
    return tuple(header)


def csv_pieces(path: Path, names: tuple[str, ...], skip: Skip | None) -> Iterator[Piece]:
    """The rows below the header. `skip` hears of those with another number of cells, endless ones, or NUL bytes.

    Raises:
        ContractError: Such a row, where there is no `skip`; a quotation mark left open.
    """
    last = _Last()
    read = 0
    try:
        for batch in _arrow_batches(path, names):
            if batch.num_rows:
                last.cell = batch.column(batch.num_columns - 1)[-1].as_py() or ""
            yield without_nul(path, batch, read + 1, skip)
            read += batch.num_rows
    except pa.ArrowInvalid as error:
        if skip is None or not (_RAGGED.match(str(error)) or _STRADDLING in str(error)):
            raise _refusal(path, str(error), read) or error from None
        yield from _python_pieces(path, names, read, skip, last)
    _check_last_quote(path, last.cell)


def _arrow_batches(path: Path, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Every column as text, and white space and newlines within quotes as they are."""
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    ) as reader:
        yield from reader


def _python_pieces(path: Path, names: tuple[str, ...], after: int, skip: Skip, last: _Last) -> Iterator[Piece]:
    """The rows that come after so many others."""
    numbered = enumerate(itertools.islice(_parsed(path), after + 1, None), start=after + 1)
    while some := list(itertools.islice(numbered, _ROWS)):
        fit = []
        last.cell = some[-1][1][-1]
        for number, cells in some:
            if isinstance(cells, str):
                skip(number, f"holds a cell longer than {csv.field_size_limit() >> 10} KiB", cells)
            elif (why := _unfit(cells, len(names))) is None:
                fit.append((number, cells))
            else:
                skip(number, why, as_line(cells))
        columns = [pa.array([cells[place] or None for _, cells in fit], pa.string()) for place in range(len(names))]
        yield Piece(np.array([number for number, _ in fit], np.int64), pa.RecordBatch.from_arrays(columns, names))


def _unfit(cells: list[str], width: int) -> str | None:
    if len(cells) != width:
        return "has not as many cells as the header"
    return next((f"column {place} {NUL}" for place, cell in enumerate(cells, start=1) if "\0" in cell), None)


def _parsed(path: Path, *, errors: str = "strict") -> Iterator[list[str] | str]:
    """The rows with the header, as Arrow reads them: those without a character do not count.

    One with a cell that Python's reader finds too long comes as it is written.
    """
    with path.open(encoding="utf-8-sig", newline="", errors=errors) as file:
        lines = _Lines(path, file)
        reader = csv.reader(lines)
        while True:
            lines.begin()
            try:
                cells = next(reader, None)
            except csv.Error:
                yield lines.rest()
                reader = csv.reader(lines)
                continue
            if cells is None:
                return
            if cells:
                yield cells


def _refusal(path: Path, said: str, read: int) -> ContractError | None:
    """Arrow's error in our words, where it is one of the rows'; its own end with the row itself."""
    if _STRADDLING in said:
        return _too_long(path, read)
    ragged = _RAGGED.match(said)
    if not ragged:
        return None
    row, expected, found = map(int, ragged.groups())  # the row's number counts the header
    return ContractError(
        f"row {row - 1}: its cells number {found}, those of the header {expected}",
        where=str(path),
        mend="Put quotation marks around cells that hold a comma",
    )


def _too_long(path: Path, read: int = 0) -> ContractError:
    return ContractError(
        f"a row{f' after row {read}' * (read > 0)} is longer than {_BLOCK >> 20} MiB",
        where=str(path),
        mend="Look for a quotation mark that is never closed, or set bad_rows = 'quarantine' for the table",
    )


def _never_closed(path: Path) -> ContractError:
    return ContractError(
        "a quotation mark is never closed; the last row runs to the end of the file",
        where=str(path),
        mend="Close it, or write the file again: it may have been cut off",
    )


def _check_last_quote(path: Path, cell: str) -> None:
    """A quote that is never closed swallows the rest of the file into the last cell, without a word from the reader."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4, 0))
        closed = file.read().rstrip(b"\r\n").endswith(b'"')
    if "\n" in cell and not closed:
        raise _never_closed(path)
