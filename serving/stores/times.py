"""Instants as the tables hold them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from recsys.history import in_utc as utc
from recsys.history import microseconds

__all__ = ["instant", "micros", "utc"]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def micros(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC."""
    return microseconds(utc(at))


def instant(number: int) -> dt.datetime:
    """The instant, in UTC."""
    return _EPOCH + dt.timedelta(microseconds=number)
