"""Dates, as YYYY-MM-DD."""

from __future__ import annotations

from typing import Final

import polars as pl

from pseudonymize.canonical.text import text_column

_ISO: Final = "%Y-%m-%d"


def date_column(values: pl.Series, *, layout: str) -> pl.Series:
    """The date in each cell, or nothing. `layout` is that of `strftime`; without one, dates are YYYY-MM-DD."""
    return text_column(values).str.to_date(layout or _ISO, strict=False).dt.strftime(_ISO)
