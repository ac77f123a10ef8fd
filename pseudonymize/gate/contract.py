"""The contract's checks, with the rows and columns of the raw file in their errors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import polars as pl

from pseudonymize.distinct import Coded
from recsys.contracts.purchases import PURCHASES, check_past, check_value_signs
from recsys.contracts.table import Origin, TableContract

_NONE: Final[Mapping[str, Coded]] = MappingProxyType({})


def checked(
    contract: TableContract,
    frame: pl.DataFrame,
    origin: Origin,
    *,
    today: dt.date,
    coded: Mapping[str, Coded] = _NONE,
) -> pl.DataFrame:
    """Return `frame` as the contract has it. Columns that are `coded` are checked value by value, not row by row.

    Raises:
        ContractError: At the first violation: the contract's own, a day after `today`, or a negative price.
    """
    fine = {
        column.name
        for column in contract.columns
        if column.check is not None
        and column.name in coded.keys() - origin.checked
        and _all_fine(column.check, coded[column.name].values)
    }
    typed = contract.checked_rows(frame, replace(origin, checked=origin.checked | fine))
    if "day" in typed.columns:
        check_past(typed, today, origin)
    if contract is PURCHASES:
        check_value_signs(typed, origin)
    return typed


def _all_fine(check: Callable[[pl.Expr], pl.Expr], values: pl.Series) -> bool:
    """Whether no value breaks the contract; empty cells are another check's."""
    return bool(values.to_frame().select(check(pl.first()).fill_null(value=True).all()).item())
