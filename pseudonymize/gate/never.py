"""Purchases that no stage keeps: of things that are offered to nobody, and lines that say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.policy import load_policy, place

NEVER: Final = "never offered"
ZERO_QUANTITY: Final = "quantity zero"


@dataclass(frozen=True, slots=True)
class Never:
    """The items whose purchases are dropped at the door.

    Args:
        items: As the catalogue names them.
        policy: SHA-256 of the guards' policy that says so; None without one.
    """

    items: frozenset[str] = frozenset()
    policy: str | None = None

    def among(self, items: pl.Series) -> pl.Series:
        """Which of the items are offered to nobody."""
        return items.is_in(sorted(self.items)).fill_null(value=False)


def read_never(guards: Path, catalogue: Path, *, warn: Callable[[str], None]) -> Never:
    """The items that a guards' policy never offers. `warn` hears of names in it that the catalogue does not know."""
    policy = load_policy(guards)
    placement = place(policy, CATALOGUE.read(catalogue))
    for warning in placement.warnings:
        warn(f"{guards}, {warning}")
    return Never(placement.items_of(policy.never), policy.sha256)


def dropped_purchases(frame: pl.DataFrame, never: pl.Series, *, zero_quantity: bool) -> tuple[pl.Series, Counter[str]]:
    """Which purchases to keep, and how many go for each reason; `zero_quantity` says whether such lines may go."""
    zero = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    if zero_quantity:
        zero = (frame["quantity"].cast(pl.Float64, strict=False) == 0).fill_null(value=False)
    counts = Counter({ZERO_QUANTITY: int(zero.sum()), NEVER: int((never & ~zero).sum())})
    return ~(zero | never), +counts
