"""The contract's checks, with the rows and columns of the raw file in their errors."""

from __future__ import annotations

import datetime as dt

import polars as pl

from recsys.contracts.purchases import PURCHASES, check_past, check_value_signs
from recsys.contracts.table import Origin, TableContract


def checked(contract: TableContract, frame: pl.DataFrame, origin: Origin, *, today: dt.date) -> pl.DataFrame:
    """Return `frame` as the contract has it.

    Raises:
        ContractError: At the first violation: the contract's own, a day after `today`, or a negative price.
    """
    typed = contract.checked_rows(frame, origin)
    if "day" in typed.columns:
        check_past(typed, today, origin)
    if contract is PURCHASES:
        check_value_signs(typed, origin)
    return typed
