"""The contract's checks, with the rows and columns of the raw file in their errors."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.contracts.purchases import PURCHASES, check_value_signs
from recsys.contracts.table import TableContract
from recsys.errors import ContractError


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a table came from.

    Args:
        path: The raw file.
        rows: The row in that file of each row here.
        columns: The contract's column names to the file's.
    """

    path: Path
    rows: pl.Series
    columns: Mapping[str, str]


def checked(contract: TableContract, frame: pl.DataFrame, origin: Origin, *, today: dt.date) -> pl.DataFrame:
    """Return `frame` as the contract has it.

    Raises:
        ContractError: At the first violation: the contract's own, a day after `today`, or a negative price.
    """
    try:
        typed = contract.checked(frame, where=str(origin.path))
        _check_past(typed, today, origin.path)
        if contract is PURCHASES:
            check_value_signs(typed, where=str(origin.path))
    except ContractError as error:
        raise ContractError(_in_the_file(error.what, origin), where=error.where, mend=error.mend) from None
    return typed


def _check_past(frame: pl.DataFrame, today: dt.date, path: Path) -> None:
    if "day" not in frame.columns:
        return
    future = frame["day"] > today
    if future.any():
        raise ContractError(
            f"row {int(future.arg_true()[0]) + 1}, column 'day' lies in the future",
            where=str(path),
            mend="Check the clock and the date format of the till",
        )


def _in_the_file(what: str, origin: Origin) -> str:
    """The contract counts the rows that it was given, and knows its own names only."""
    what = re.sub(r"^row (\d+)", lambda found: f"row {origin.rows[int(found.group(1)) - 1]}", what)
    return re.sub(
        r"column '([^']+)'", lambda found: f"column {origin.columns.get(found.group(1), found.group(1))!r}", what
    )
