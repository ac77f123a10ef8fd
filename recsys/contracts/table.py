"""What a table must look like, and the one place that reads, checks and writes one.

A violation names the file, the row (the first one below a header is row 1), the column and the mend. It never repeats
the value: what stands in the wrong column may well be an e-mail address.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

import polars as pl

from recsys.amounts import amount
from recsys.contracts.token import MEND, TOKEN_PATTERN
from recsys.errors import ContractError, OutputError, UsageError
from recsys.files import replacing

LIST_SEPARATOR: Final = ";"  # between the members of a list in one CSV cell
CONTRACT_KEY: Final = "recsys.contract"  # in a Parquet file's metadata: the contract's name / version


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args:
        name: As it stands in the file.
        dtype: The type after reading; whole numbers pass as `Float64`, nothing else is converted.
        doc: What it holds, with its unit.
        required: Whether a file without it is refused.
        nullable: Whether a cell may be empty.
        check: An expression that is true where a value is fine.
        mend: How to mend a value that is not.
    """

    name: str
    dtype: pl.DataType
    doc: str
    required: bool = True
    nullable: bool = False
    check: Callable[[pl.Expr], pl.Expr] | None = None
    mend: str = "Mend the value or leave the row out"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a table came from, for errors to name.

    Args:
        where: The file.
        rows: The row in that file of each row here; None: they are all there, from row 1.
        columns: The contract's column names to the file's, where they differ.
        checked: The contract's columns whose values were checked before they were spread over the rows.
    """

    where: str
    rows: pl.Series | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()

    def row(self, position: int) -> int:
        """The number in the file of the row at `position`."""
        return position + 1 if self.rows is None else int(self.rows[position])

    def filter(self, keep: pl.Series) -> Self:
        """Where the rows at the true positions came from."""
        rows = pl.int_range(1, len(keep) + 1, eager=True) if self.rows is None else self.rows
        return replace(self, rows=rows.filter(keep))

    def refuse(self, wrong: pl.Series, column: str, why: str, *, mend: str) -> None:
        """Raise `ContractError` for the first true row, if there is one; the cell is not repeated."""
        count = int(wrong.sum())
        if count:
            more = f" (and {amount(count - 1, 'more row')})" if count > 1 else ""
            what = f"row {self.row(int(wrong.arg_true()[0]))}, column {self.name(column)!r} {why}{more}"
            raise ContractError(what, where=self.where, mend=mend)

    def name(self, column: str) -> str:
        """What the file calls one of the contract's columns."""
        return self.columns.get(column, column)


@dataclass(frozen=True, slots=True)
class TableContract:
    """A named, versioned table.

    Args:
        name: What the rows are.
        version: Raised as `recsys.contracts` says.
        columns: All that may be there.
        unique: Columns whose combination stands in one row at most.
        prepare: Brings a table as retailers write it into the contract's own form, before the checks.
    """

    name: str
    version: int
    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None

    def read(self, path: Path) -> pl.DataFrame:
        """Read a Parquet or CSV file and check it; columns come back in the contract's order.

        Raises:
            ContractError: The file is missing, unreadable, empty, of a newer version, or breaks the contract.
        """
        return self.checked(_read(path, self), where=str(path))

    def checked(self, frame: pl.DataFrame, *, where: str) -> pl.DataFrame:
        """Return `frame` with the contract's types and order, or raise `ContractError` at the first violation."""
        return self.checked_rows(frame, Origin(where))

    def checked_rows(self, frame: pl.DataFrame, origin: Origin) -> pl.DataFrame:
        """As `checked`, for rows that have other numbers and columns in the file that they came from."""
        self._check_names(frame.columns, origin.where)
        if self.prepare is not None:
            frame = self.prepare(frame)
        present = [column for column in self.columns if column.name in frame.columns]
        typed = frame.select(_typed(frame[column.name], column, origin) for column in present)
        for column in present:
            _check_values(typed[column.name], column, origin)
        if self.unique:
            _check_unique(typed, self.unique, origin)
        return typed

    def write(
        self, frame: pl.DataFrame, path: Path, *, metadata: dict[str, str] | None = None, mode: int = 0o644
    ) -> None:
        """Check `frame` and write it as Parquet, whole or not at all, with the contract's version inside."""
        typed = self.checked(frame, where=str(path))
        contract = {CONTRACT_KEY: f"{self.name}/{self.version}"}
        with replacing(path, mode=mode) as beside, _written(path):
            typed.write_parquet(beside, metadata=contract | (metadata or {}))

    def _check_names(self, names: Iterable[str], where: str) -> None:
        present, known = list(names), [column.name for column in self.columns]
        unknown = [name for name in present if name not in known]
        missing = [c.name for c in self.columns if c.required and c.name not in present]
        if missing:
            near = difflib.get_close_matches(missing[0], unknown, n=1)
            mend = f"Rename column {near[0]!r}" if near else f"The columns of {self.name} are: {', '.join(known)}"
            raise ContractError(f"column {missing[0]!r} is missing", where=where, mend=mend)
        if unknown:  # told by its place: without a header, what stands there is somebody's data
            near = difflib.get_close_matches(unknown[0], known, n=1)
            mend = f"Did you mean {near[0]!r}?" if near else f"Leave it out; {self.name} may have: {', '.join(known)}"
            place = present.index(unknown[0]) + 1
            raise ContractError(f"column {place} is unknown to {self.name}", where=where, mend=mend)


def token_column(name: str, doc: str, *, required: bool = True, nullable: bool = False) -> Column:
    """A column of tokens, checked for form. Callers check domain and epoch where they know which are in use."""
    return Column(
        name,
        pl.String(),
        doc,
        required=required,
        nullable=nullable,
        check=lambda value: value.str.contains(TOKEN_PATTERN),
        mend=MEND,
    )


def filled(value: pl.Expr) -> pl.Expr:
    """True for text that is more than white space."""
    return value.str.strip_chars().str.len_chars() > 0


def finite(value: pl.Expr) -> pl.Expr:
    """True for a number that is neither NaN nor infinite."""
    return value.is_finite()


def parquet_metadata(path: Path) -> dict[str, str]:
    """The key-value metadata of a Parquet file."""
    return {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}


def check_ending(path: Path) -> None:
    """Return when `write_rows` knows how to write this file: to be asked before the work is done."""
    if path.suffix not in {".parquet", ".csv"}:
        raise UsageError("is neither .parquet nor .csv", where=str(path), mend="Name the file accordingly")


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """Write a table that no stage reads back, as the file's ending says: .parquet or .csv."""
    check_ending(path)
    with replacing(path) as beside, _written(path):
        if path.suffix == ".csv":
            frame.write_csv(beside)
        else:
            frame.write_parquet(beside)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    """Polars reports a full disk as an error of its own."""
    try:
        yield
    except pl.exceptions.PolarsError:
        raise OutputError("cannot be written", where=str(path), mend="Is the disk full?") from None


def _read(path: Path, contract: TableContract) -> pl.DataFrame:
    if not path.is_file():
        raise ContractError("no such file", where=str(path), mend=f"Name a Parquet or CSV file of {contract.name}")
    if path.stat().st_size == 0:
        raise ContractError("the file is empty", where=str(path), mend="Write it again")
    try:
        if path.suffix == ".csv":
            frame = pl.read_csv(path, infer_schema=False)
        else:
            _check_version(path, contract)
            frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError):
        raise ContractError(
            "cannot be read as the table its name promises: it is cut off, damaged or of another format",
            where=str(path),
            mend="Write it again as .parquet, or as .csv in UTF-8 with a header",
        ) from None
    if frame.is_empty():
        raise ContractError("the table has no rows", where=str(path), mend="Check the step that wrote it")
    return frame


def _check_version(path: Path, contract: TableContract) -> None:
    name, _, version = parquet_metadata(path).get(CONTRACT_KEY, f"{contract.name}/{contract.version}").partition("/")
    if name != contract.name:
        raise ContractError(f"holds {name}, not {contract.name}", where=str(path), mend="Name the right file")
    if not version.isdecimal() or int(version) > contract.version:
        raise ContractError(
            f"is {name} version {version}, this program reads up to {contract.version}",
            where=str(path),
            mend="Upgrade this program",
        )


def _typed(values: pl.Series, column: Column, origin: Origin) -> pl.Series:
    """Convert what loses nothing: text of a CSV to its type, whole numbers to floats, categories to text."""
    if values.dtype == column.dtype:
        return values
    if values.dtype == pl.Null:
        return values.cast(column.dtype)
    if values.dtype == pl.String and not isinstance(column.dtype, pl.String):
        parsed = _parse(values, column.dtype)
        unread = parsed.is_null() & values.is_not_null()
        origin.refuse(unread, column.name, f"is not a {_spoken(column.dtype)}", mend=column.mend)
        return parsed
    if _widens(values.dtype, column.dtype):
        return values.cast(column.dtype)
    raise ContractError(
        f"column {origin.name(column.name)!r} has type {values.dtype}, expected {_spoken(column.dtype)}",
        where=origin.where,
        mend=f"Write it as {column.dtype}",
    )


def _widens(have: pl.DataType, want: pl.DataType) -> bool:
    if isinstance(want, pl.Float64):
        return have.is_numeric()
    if isinstance(want, pl.Int64):
        return have.is_integer()
    if isinstance(want, pl.String):
        return isinstance(have, (pl.Categorical, pl.Enum))
    if isinstance(want, pl.Datetime):
        return isinstance(have, pl.Datetime) and have.time_zone is not None
    return isinstance(want, pl.List) and isinstance(have, pl.List) and have.inner in (pl.Null(), want.inner)


def _parse(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Date):
        return values.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Datetime):
        return values.str.to_datetime(time_unit=dtype.time_unit, time_zone="UTC", strict=False)
    if isinstance(dtype, pl.Boolean):
        return values.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    if isinstance(dtype, pl.List):
        return values.str.split(LIST_SEPARATOR).list.eval(pl.element().str.strip_chars())
    return values.cast(dtype, strict=False)


def _check_values(values: pl.Series, column: Column, origin: Origin) -> None:
    if not column.nullable:
        origin.refuse(values.is_null(), column.name, "is empty", mend=column.mend)
    if column.check is not None and column.name not in origin.checked:
        frame = values.to_frame()
        wrong = frame.select((~column.check(pl.col(column.name))).fill_null(value=False)).to_series()
        origin.refuse(wrong, column.name, "breaks the contract", mend=column.mend)


def _check_unique(frame: pl.DataFrame, names: tuple[str, ...], origin: Origin) -> None:
    twice = frame.select(names).is_duplicated()
    if twice.any():
        first = int(twice.arg_true()[0])
        values = zip(names, frame.select(names).row(first), strict=True)
        alike = frame.filter(pl.all_horizontal(pl.col(name).eq_missing(pl.lit(value)) for name, value in values))
        raise ContractError(
            f"row {origin.row(first)}: the same {' and '.join(names)} stands in {alike.height} rows",
            where=origin.where,
            mend="Keep one of them",
        )


def _spoken(dtype: pl.DataType) -> str:
    names = {
        pl.Date: "date (YYYY-MM-DD)",
        pl.Datetime: "time in UTC (ISO 8601 with offset)",
        pl.Boolean: "true or false",
        pl.Float64: "number",
        pl.Int64: "whole number",
        pl.String: "text",
        pl.List: f"list (in CSV: separated by {LIST_SEPARATOR!r})",
    }
    return names.get(type(dtype), str(dtype))
