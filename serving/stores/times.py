"""Instants as the tables hold them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from recsys.history import microseconds

_FIRST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def micros(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC."""
    return microseconds(utc(at))


def instant(number: int) -> dt.datetime:
    """The instant, in UTC."""
    return _EPOCH + dt.timedelta(microseconds=number)


def utc(at: dt.datetime) -> dt.datetime:
    """The same instant, in UTC; where its offset carries it out of the calendar, the calendar's first or last."""
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        return _FIRST if at.year == 1 else _LAST
