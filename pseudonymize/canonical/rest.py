"""Forms that a library works out one value at a time."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl


def one_by_one(values: pl.Series, form: Callable[[str], str | None]) -> pl.Series:
    """`form` of every filled cell; it answers None where it cannot read one."""
    return pl.Series([None if value is None else form(value) for value in values], dtype=pl.String)
