"""A small market, and a real bundle learned from what happened in it before a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES
from support.commands import succeeded
from support.tokens import token

AS_OF = dt.date(2017, 11, 27)
TYPES = 16
SUBJECTS = 70


@dataclass(frozen=True)
class Market:
    """Files, and the purchases as they stand in them."""

    bundle: Path
    trust: Path
    purchases: Path
    lines: pl.DataFrame
    types: dict[str, str]

    def judged(self, **changed: object) -> list[str]:
        """The options that both commands take."""
        options = {"bundle": self.bundle, "trust": self.trust, "purchases": self.purchases, "as-of": AS_OF} | changed
        return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def build(folder: Path) -> Market:
    """Write the files and fit a bundle with the real commands."""
    types = {f"{kind}-{size}": f"FOOD / AISLE {kind % 3} / TYPE {kind}" for kind in range(TYPES) for size in "ab"}
    catalogue = pl.DataFrame({"item": list(types), "category": list(types.values()), "title": list(types)})
    lines = purchases_of(np.random.default_rng(7))
    CATALOGUE.write(catalogue, folder / "catalogue.parquet")
    PURCHASES.write(lines, folder / "purchases.parquet")
    for arguments in (
        ("keys", "init", "--signing-key", folder / "signing"),
        (
            *("fit", "--purchases", folder / "purchases.parquet", "--catalogue", folder / "catalogue.parquet"),
            *("--models", folder / "models", "--name", "small", "--signing-key", folder / "signing"),
            *("--until", AS_OF, "--level", "type", "--profile", "test", "--seed", 1),
        ),
    ):
        succeeded("training", *arguments)
    return Market(folder / "models" / "small", folder / "signing.pub", folder / "purchases.parquet", lines, types)


def purchases_of(rng: np.random.Generator) -> pl.DataFrame:
    """Habits, returns, a type too rare to be learned, items that nobody sold before, people with one side only."""
    rows: list[tuple[str, str, dt.date, float]] = []

    def buy(subject: int, item: str, after: int, quantity: float = 1.0) -> None:
        rows.append((token(subject), item, AS_OF + dt.timedelta(days=after), quantity))

    for subject in range(SUBJECTS):
        first, last = (-140, 34)
        if subject % 10 == 8:
            first = 0  # came in the window
        if subject % 10 == 9:
            last = -1  # never came back
        taste = rng.dirichlet(np.full(TYPES - 1, 0.25))
        for after in rng.choice(np.arange(first, last + 1), size=min(25, last - first), replace=False):
            for kind in rng.choice(TYPES - 1, size=3, p=taste):
                item = f"{kind}-{rng.choice(list('ab'))}"
                buy(subject, item, int(after), float(rng.integers(1, 4)))
                if rng.random() < 0.08:
                    buy(subject, item, int(after) + int(rng.integers(0, 6)), -float(rng.integers(1, 3)))
        if subject < 3:
            buy(subject, f"{TYPES - 1}-a", -20)  # three buyers: not learned
        if subject in {4, 5, 8}:
            buy(subject, "new", 3)  # in no catalogue
    schema = {"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
