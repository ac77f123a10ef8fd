"""The tables that a dataset may hold, and their columns of tokens."""

from __future__ import annotations

from typing import Final

import polars as pl

from recsys.contracts.evaluation_sets import EVALUATION_SETS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import TableContract

SUBJECT: Final = "subject"
BASKET: Final = "basket"

TABLES: Final = {contract.name: contract for contract in (PURCHASES, SUBJECTS, *EVALUATION_SETS.values())}


def token_columns(frame: pl.DataFrame) -> tuple[str, ...]:
    """The columns of `frame` that hold tokens."""
    return tuple(name for name in (SUBJECT, BASKET) if name in frame.columns)


def newest(contract: TableContract, frame: pl.DataFrame) -> pl.DataFrame:
    """The last row of each key, in the order of the rows: what came later stands."""
    return frame.unique(list(contract.unique), keep="last", maintain_order=True)
