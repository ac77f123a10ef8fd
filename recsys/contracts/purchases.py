"""Purchases: one row a line of a receipt. Returns have a negative quantity and are netted by `recsys.history`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import polars as pl

from recsys.contracts.dataset import dataset_in, named_files
from recsys.contracts.table import Column, Origin, TableContract, filled, finite, token_column
from recsys.errors import ContractError

PURCHASES: Final = TableContract(
    name="purchases",
    version=1,
    columns=(
        token_column("subject", "Who bought"),
        Column("item", pl.String(), "What was sold, as the catalogue names it", check=filled),
        Column(
            "day",
            pl.Date(),
            "When, as a date from 1970 on",
            check=lambda value: value >= dt.date(1970, 1, 1),
            mend="Check the clock of the till",
        ),
        Column(
            "quantity",
            pl.Float64(),
            "How many, or how much by weight; negative for a return",
            check=lambda value: value.is_finite() & (value != 0),
            mend="A quantity is a number other than zero; a return is negative",
        ),
        Column(
            "value",
            pl.Float64(),
            "What was paid for the line, in the retailer's currency",
            required=False,
            nullable=True,
            check=finite,
        ),
        token_column("basket", "The receipt", required=False, nullable=True),
        Column("channel", pl.String(), "Where it was bought", required=False, nullable=True, check=filled),
    ),
)


def purchase_files(path: Path) -> list[Path]:
    """The Parquet files of `path`: itself, or those of a release's folder, or those that a dataset names."""
    if not path.is_dir():
        return [path]
    dataset = dataset_in(path)
    if dataset is not None:
        files = named_files(path, dataset.parts(PURCHASES.name))
    else:
        files = sorted(path.glob("purchases*.parquet"))
    if not files:
        raise ContractError(
            "the folder holds no purchases",
            where=str(path),
            mend="Name a release, a dataset or a purchases file",
        )
    return files


def read_purchases(path: Path, *, today: dt.date) -> pl.DataFrame:
    """Read and check purchases.

    Args:
        path: A file, or the folder of a release or dataset.
        today: Purchases after this day are refused: a wrong clock or a swapped day and month.
    """
    return pl.concat([_read_file(file, today) for file in purchase_files(path)], how="diagonal")


def _read_file(path: Path, today: dt.date) -> pl.DataFrame:
    frame = PURCHASES.read(path)
    check_past(frame, today, Origin(str(path)))
    check_value_signs(frame, Origin(str(path)))
    return frame


def check_past(frame: pl.DataFrame, today: dt.date, origin: Origin) -> None:
    """Refuse days after `today`."""
    future = (frame["day"] > today).fill_null(value=False)
    origin.refuse(future, "day", "lies in the future", mend="Check the clock and the date format of the till")


def check_value_signs(frame: pl.DataFrame, origin: Origin) -> None:
    """Refuse a negative price: `value` has the sign of `quantity`, or is zero."""
    if "value" not in frame.columns:
        return
    wrong = frame.select((pl.col("value") * pl.col("quantity") < 0).fill_null(value=False)).to_series()
    mend = "A sale has a value of zero or more; a return has a negative quantity and value"
    origin.refuse(wrong, "value", "makes the price negative", mend=mend)
