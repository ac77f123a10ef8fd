"""What each role makes of a column's cells: one function a transformation. A cell that cannot be is refused by row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.distinct import Coded
from pseudonymize.set_aside import Place
from pseudonymize.tokeniser import Tokenised, Tokeniser
from recsys.errors import ContractError

_YES: Final = ("yes", "true", "1")
_NO: Final = ("no", "false", "0", "")
_TRACES: Final = {
    r"\S@\S": "an e-mail address",
    r"(?:\d[ ()./-]{0,2}){7}": "a telephone or card number",
    r"(?i)(?:https?://|www\.)": "a link",
    r"(?i)\b(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{1,4}\b": "an IP address",  # the others are long numbers
}
_TIME: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"


def as_text(values: pl.Series, place: Place) -> pl.Series:
    """Text as it is, whole numbers in digits."""
    if not (values.dtype.is_integer() or isinstance(values.dtype, (pl.String, pl.Categorical, pl.Enum, pl.Null))):
        raise place.wrong_type(values, "text or whole number")
    text = values.cast(pl.String)
    long = (text.str.len_bytes() > MAX_BYTES).fill_null(value=False)
    place.refuse(long, f"is longer than {MAX_BYTES} bytes", mend="Is this the right column? It holds a document")
    return text.set(long, None) if long.any() else text


def subject(values: Coded, field: str, tokeniser: Tokeniser, place: Place) -> Coded:
    """The token of each person; every row must have one."""
    made = _tokenised(values, field, tokeniser, place)
    empty = made.coded.values.is_null()
    if empty.any():
        without = empty.gather(made.coded.places) & ~made.unread
        place.refuse(without, "is empty", mend="Leave rows without a person out")
    return made.coded


def identifier(values: Coded, field: str, tokeniser: Tokeniser, place: Place) -> Coded:
    """The token of each identifier; empty where there is none."""
    return _tokenised(values, field, tokeniser, place).coded


def _tokenised(values: Coded, field: str, tokeniser: Tokeniser, place: Place) -> Tokenised:
    made = tokeniser.tokens(field, values)
    place.set_aside(made.unread, tokeniser.form(field).unread)
    return made


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


def week(values: pl.Series, place: Place) -> pl.Series:
    """The Monday of the week of a time (ISO 8601)."""
    return day(values, place).dt.truncate("1w")


def band(values: pl.Series, bands: Sequence[float], place: Place) -> pl.Series:
    """The band that a number falls into: each begins at its number and ends before the next one's."""
    spoken = [f"{number:g}" for number in bands]
    labels = [f"<{spoken[0]}", *(f"{low}-<{high}" for low, high in pairwise(spoken)), f"{spoken[-1]}+"]
    numbers = _finite(values, place)
    where = np.searchsorted(np.asarray(bands), numbers.fill_null(0).to_numpy(), side="right")
    return pl.Series(labels, dtype=pl.String).gather(where).set(numbers.is_null(), None)


def rounded(values: pl.Series, step: float, place: Place) -> pl.Series:
    """A number to the nearest multiple of `step`."""
    return (_finite(values, place) / step).round() * step


def prefix(values: pl.Series, length: int, place: Place) -> pl.Series:
    """The first characters of a code, without white space at its ends; one that is no longer than that is withheld."""
    text = as_text(values, place).str.strip_chars()
    return text.str.slice(0, length).set((text.str.len_chars() <= length).fill_null(value=False), None)


def scanned(values: pl.Series, place: Place) -> pl.Series:
    """Free text in which nothing was found that looks like an address, a number of a person or a link."""
    text = as_text(values, place)
    for pattern, what in _TRACES.items():
        mend = "Drop the column, or clean it before the gate: a scan finds traces, not names"
        place.refuse(text.str.contains(pattern).fill_null(value=False), f"holds what looks like {what}", mend=mend)
    return text


def date(values: pl.Series, place: Place) -> pl.Series:
    """A date that passes as it is. A time of day must be given up on purpose."""
    if isinstance(values.dtype, pl.Datetime):
        what = f"column {place.column!r} holds times, which single people out"
        raise ContractError(what, where=str(place.aside.path), mend="Give it role = 'quasi', generalise = 'day'")
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


def _finite(values: pl.Series, place: Place) -> pl.Series:
    numbers = number(values, place).cast(pl.Float64, strict=False)
    wrong = values.is_not_null() & ~numbers.is_finite().fill_null(value=False)
    place.refuse(wrong, "is not a number", mend="Write it as a number")
    return numbers.set(wrong, None) if wrong.any() else numbers
