"""CSV as pieces of a table, all of it text: read by Arrow up to the first row that does not fit, then row by row.

Arrow must be given no Python to call, neither a handler of bad rows nor a Python file: it reads ahead in threads of its
own, which closing does not end, and one that wants the interpreter while that shuts down aborts the process. So it
gives up at a row with too many or too few cells, and Python's own reader goes on from there.
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

_BLOCK: Final = 1 << 20  # bytes; no row may be much longer, and Arrow keeps up to 32 of them ahead
_ROWS: Final = 1 << 16  # in a piece that Python's reader made
_RAGGED: Final = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")


@dataclass(slots=True)
class _Last:
    """The last cell that was read."""

    cell: str = ""


def csv_names(path: Path) -> tuple[str, ...]:
    """The cells of the header; that the rest is UTF-8 is for `csv_pieces` to say."""
    return tuple(next(_parsed(path, errors="replace"), ()))


def csv_pieces(path: Path, names: tuple[str, ...], skip: Skip | None) -> Iterator[Piece]:
    """The rows below the header. `skip` hears of those with another number of cells, or with NUL bytes.

    Raises:
        ContractError: Such a row, where there is no `skip`; a row longer than 1 MiB; a quotation mark left open.
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
        if skip is None or not _RAGGED.match(str(error)):
            raise _refusal(path, str(error)) or error from None
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
            why = _unfit(cells, len(names))
            if why is None:
                fit.append((number, cells))
            else:
                skip(number, why, as_line(cells))
        columns = [pa.array([cells[place] or None for _, cells in fit], pa.string()) for place in range(len(names))]
        yield Piece(np.array([number for number, _ in fit], np.int64), pa.RecordBatch.from_arrays(columns, names))


def _unfit(cells: list[str], width: int) -> str | None:
    if len(cells) != width:
        return "has not as many cells as the header"
    return next((f"column {place} {NUL}" for place, cell in enumerate(cells, start=1) if "\0" in cell), None)


def _parsed(path: Path, *, errors: str = "strict") -> Iterator[list[str]]:
    """The rows with the header, as Arrow reads them: those without a character do not count."""
    with path.open(encoding="utf-8-sig", newline="", errors=errors) as file:
        try:
            yield from filter(None, csv.reader(_lines(path, file)))
        except csv.Error:
            what = f"a cell is longer than {csv.field_size_limit() >> 10} KiB"
            raise ContractError(what, where=str(path), mend="Is a quotation mark never closed?") from None


def _lines(path: Path, file: io.TextIOBase) -> Iterator[str]:
    while line := file.readline(_BLOCK):
        if len(line) == _BLOCK:
            raise _too_long(path)
        yield line


def _refusal(path: Path, said: str) -> ContractError | None:
    """Arrow's error in our words, where it is one of the rows'; its own end with the row itself."""
    if "straddling object" in said:
        return _too_long(path)
    ragged = _RAGGED.match(said)
    if not ragged:
        return None
    row, expected, found = map(int, ragged.groups())  # the row's number counts the header
    return ContractError(
        f"row {row - 1}: its cells number {found}, those of the header {expected}",
        where=str(path),
        mend="Put quotation marks around cells that hold a comma",
    )


def _too_long(path: Path) -> ContractError:
    return ContractError(
        f"a row is longer than {_BLOCK >> 20} MiB",
        where=str(path),
        mend="Look for a quotation mark that is never closed",
    )


def _check_last_quote(path: Path, cell: str) -> None:
    """A quote that is never closed swallows the rest of the file into the last cell, without a word from the reader."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4, 0))
        closed = file.read().rstrip(b"\r\n").endswith(b'"')
    if "\n" in cell and not closed:
        raise ContractError(
            "a quotation mark is never closed; the last row runs to the end of the file",
            where=str(path),
            mend="Close it, or write the file again: it may have been cut off",
        )
