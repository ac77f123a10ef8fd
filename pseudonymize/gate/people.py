"""One row a person: two would leave open which consents hold."""

from __future__ import annotations

import polars as pl

from recsys.contracts.table import Origin
from recsys.errors import ContractError


class People:
    """The tokens of those who may stand in one row at most, with their places. Memory grows with people only."""

    def __init__(self) -> None:
        self._seen: list[pl.DataFrame] = []

    def add(self, tokens: pl.Series, origin: Origin) -> None:
        """Note the people of a batch."""
        frame = pl.DataFrame({"token": tokens, "row": origin.rows})
        self._seen.append(frame.with_columns(path=pl.lit(origin.where)))

    def check(self) -> None:
        """Raise `ContractError` at the second row of the first person who stands twice."""
        seen = pl.concat(self._seen)
        again = seen.filter(~pl.col("token").is_first_distinct())
        if again.is_empty():
            return
        token, row, path = again.row(0)
        first = seen.filter(pl.col("token") == token).row(0, named=True)
        raise ContractError(
            f"row {row}: the same person stands in row {first['row']} of {first['path']}",
            where=path,
            mend="Keep one of the rows, the one whose consents hold",
        )
