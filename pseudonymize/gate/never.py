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


def read_never(guards: Path, catalogue: Path, *, warn: Callable[[str], None]) -> Never:
    """The items that a guards' policy never offers. `warn` hears of names in it that the catalogue does not know."""
    policy = load_policy(guards)
    placement = place(policy, CATALOGUE.read(catalogue))
    for warning in placement.warnings:
        warn(f"{guards}, {warning}")
    return Never(placement.items_of(policy.never), policy.sha256)


def dropped_purchases(frame: pl.DataFrame, never: Never, *, zero_quantity: bool) -> tuple[pl.Series, Counter[str]]:
    """Which purchases to keep, and how many go for each reason; `zero_quantity` says whether those may go."""
    quantity = pl.col("quantity").cast(pl.Float64, strict=False)
    reasons = frame.select(
        pl.when((quantity == 0) & zero_quantity)
        .then(pl.lit(ZERO_QUANTITY))
        .when(pl.col("item").is_in(sorted(never.items)))
        .then(pl.lit(NEVER))
        .alias("reason")
    )["reason"]
    counts = Counter(reasons.drop_nulls().to_list())
    return reasons.is_null(), counts
