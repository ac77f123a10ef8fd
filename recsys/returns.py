"""Returns: what they take off the purchases before them, and on which day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

DUST: Final = 1e-6  # of a unit: what floating point may leave of a purchase that was returned whole

_ROW: Final = ("subject", "item", "day")
Taken = tuple[int, int, float]  # which was bought, which took it back, how much of it


@dataclass(frozen=True, slots=True)
class Netted:
    """Purchase days net of returns, and what the returns took off them.

    As of a day, there was what had been bought and not been taken back before it: of `returned`, too, the rows with
    `day` before it and `taken` not.

    Args:
        daily: `subject, item, day, quantity, baskets`: what is left, above zero; one row a subject, item and day.
        returned: `subject, item, day, quantity, taken`: so much of what was bought on `day` came back on `taken`; one
            row a subject, item and pair of days.
    """

    daily: pl.DataFrame
    returned: pl.DataFrame

    def lines(self) -> pl.DataFrame:
        """`subject, item, day, quantity`: purchases and returns that come to the same, as of any day."""
        bought = self.returned.select(*_ROW, "quantity")
        back = self.returned.select("subject", "item", pl.col("taken").alias("day"), -pl.col("quantity"))
        return pl.concat([self.daily.select(bought.columns), bought, back])


def net_returns(daily: pl.DataFrame) -> Netted:
    """Take each return off the newest purchases before it; a return without a purchase counts for nothing.

    Args:
        daily: `subject, item, day, quantity, …`, one row each: a day's lines summed, below zero where more came back.
    """
    back = daily.filter(pl.col("quantity") < 0).select("subject", "item").unique()
    if back.is_empty():
        nothing = daily.clear().select(*_ROW, "quantity", pl.col("day").alias("taken"))
        return Netted(daily.filter(pl.col("quantity") > DUST), nothing)
    untouched = daily.join(back, on=["subject", "item"], how="anti")
    touched = daily.join(back, on=["subject", "item"]).sort(_ROW)
    left: list[float] = []
    taken: list[Taken] = []
    for quantities in touched.group_by("subject", "item", maintain_order=True).agg("quantity")["quantity"].to_list():
        net, pieces = _netted(quantities)
        taken += ((len(left) + bought, len(left) + by, quantity) for bought, by, quantity in pieces)
        left += net
    kept = pl.concat([untouched, touched.with_columns(quantity=pl.Series(left, dtype=pl.Float64))])
    return Netted(kept.filter(pl.col("quantity") > DUST), _returned(touched, taken))


def net_of_returns(quantities: Sequence[float]) -> list[float]:
    """Net one subject's quantities of one item, oldest first: 2, 3, -4 becomes 1, 0, 0."""
    return _netted(quantities)[0]


def _netted(quantities: Sequence[float]) -> tuple[list[float], list[Taken]]:
    """What is left of each, and what was taken off which by which."""
    net: list[float] = []
    pieces: list[Taken] = []
    for number, quantity in enumerate(quantities):
        net.append(max(quantity, 0.0))
        owed, position = max(-quantity, 0.0), number
        while owed > 0 and position > 0:
            position -= 1
            taken = min(owed, net[position])
            net[position] -= taken
            owed -= taken
            if taken > DUST:
                pieces.append((position, number, taken))
    return [quantity if quantity > DUST else 0.0 for quantity in net], pieces


def _returned(touched: pl.DataFrame, taken: list[Taken]) -> pl.DataFrame:
    """The rows of a frame that something was taken off, once for each day on which it was."""
    schema = {"bought": pl.UInt32, "by": pl.UInt32, "quantity": pl.Float64}
    pieces = pl.DataFrame(taken, schema=schema, orient="row")
    days = touched["day"].gather(pieces["by"]).alias("taken")
    return touched[pieces["bought"]].select(_ROW).with_columns(pieces["quantity"], days)
