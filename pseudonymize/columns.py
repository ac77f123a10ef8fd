"""What each role makes of a column's cells: one function a transformation. A cell that cannot be is refused by row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.tokeniser import Tokeniser
from recsys.errors import ContractError

_YES: Final = ("yes", "true", "1")
_NO: Final = ("no", "false", "0", "")
_TIME: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"


@dataclass(frozen=True, slots=True)
class Place:
    """Where cells stand, to name in errors."""

    path: Path
    column: str
    first_row: int

    def refuse(self, wrong: pl.Series, why: str, *, mend: str) -> None:
        """Raise `ContractError` for the first true row, if there is one; the cell is not repeated."""
        count = wrong.sum()
        if count:
            row = self.first_row + int(wrong.arg_true()[0])
            more = f" (and {count - 1} more rows)" if count > 1 else ""
            raise ContractError(f"row {row}, column {self.column!r} {why}{more}", where=str(self.path), mend=mend)

    def wrong_type(self, values: pl.Series, expected: str) -> ContractError:
        """An error for a column that as a whole holds something else."""
        what = f"column {self.column!r} has type {values.dtype}, expected {expected}"
        return ContractError(what, where=str(self.path), mend="Write it as that, or as text")


def as_text(values: pl.Series, place: Place) -> pl.Series:
    """Text as it is, whole numbers in digits."""
    if not (values.dtype.is_integer() or isinstance(values.dtype, (pl.String, pl.Categorical, pl.Enum, pl.Null))):
        raise place.wrong_type(values, "text or whole number")
    return values.cast(pl.String)


def subject(values: pl.Series, field: str, tokeniser: Tokeniser, place: Place) -> pl.Series:
    """The token of each person; every row must have one."""
    tokens = identifier(values, field, tokeniser, place)
    place.refuse(tokens.is_null(), "is empty", mend="Leave rows without a person out")
    return tokens


def identifier(values: pl.Series, field: str, tokeniser: Tokeniser, place: Place) -> pl.Series:
    """The token of each identifier; empty where there is none."""
    text = as_text(values, place)
    long = (text.str.len_bytes() > MAX_BYTES).fill_null(value=False)
    place.refuse(long, f"is longer than {MAX_BYTES} bytes", mend="Is this the right column? An identifier is short")
    return tokeniser.tokens(field, text)


def day(values: pl.Series, place: Place) -> pl.Series:
    """The day of a time, as the clock showed it where it was written: its own time zone, if it has one."""
    if isinstance(values.dtype, pl.Date):
        return values
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.date()
    if not isinstance(values.dtype, (pl.String, pl.Null)):
        raise place.wrong_type(values, "time or date")
    text = values.cast(pl.String)
    days = text.set(~text.str.contains(_TIME), None).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    place.refuse(days.is_null() & text.is_not_null(), "is not a time", mend="Write it as YYYY-MM-DD hh:mm:ss")
    return days


def date(values: pl.Series, place: Place) -> pl.Series:
    """A date that passes as it is. A time of day must be given up on purpose."""
    if isinstance(values.dtype, pl.Datetime):
        what = f"column {place.column!r} holds times, which single people out"
        raise ContractError(what, where=str(place.path), mend="Give it role = 'quasi', generalise = 'day'")
    return values


def adult(values: pl.Series, years: int, as_of: dt.date, place: Place) -> pl.Series:
    """Whether somebody born on that day is at least so old on `as_of`; empty where the birth date is not known.

    Somebody born on 29 February comes of age on 1 March.
    """
    born = day(values, place)
    place.refuse((born > as_of).fill_null(value=False), "lies in the future", mend="Check the birth date")
    month_and_day = born.dt.month().cast(pl.Int32) * 100 + born.dt.day()  # wider than a month's own type
    birthday_to_come = month_and_day > as_of.month * 100 + as_of.day
    return as_of.year - born.dt.year() - birthday_to_come.cast(pl.Int32) >= years


def consent(values: pl.Series, place: Place) -> pl.Series:
    """Whether a cell is an explicit yes. An empty cell is a no; what is neither is refused, never guessed."""
    if isinstance(values.dtype, pl.Boolean):
        return values.fill_null(value=False)
    text = as_text(values, place).str.strip_chars().str.to_lowercase().fill_null("")
    yes = text.is_in(_YES)
    place.refuse(~(yes | text.is_in(_NO)), "is neither a yes nor a no", mend="Write yes or no; an empty cell is a no")
    return yes


def interests(values: pl.Series) -> pl.Series:
    """Declared interests, without white space and empty members; the contract splits text at its separator."""
    if not isinstance(values.dtype, pl.String):
        return values
    parts = values.str.split(";").list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(pl.element() != ""))


def number(values: pl.Series, place: Place) -> pl.Series:
    """Numbers, or text that the contract reads as numbers."""
    if not (values.dtype.is_numeric() or isinstance(values.dtype, (pl.String, pl.Null))):
        raise place.wrong_type(values, "number")
    return values
