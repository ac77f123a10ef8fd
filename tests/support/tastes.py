"""A made-up shop with three tastes and sixty customers: what `recsys-train fit` takes, generated from a seed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from support.tokens import token
from training.signing import create_signing_key

FIRST_DAY = dt.date(2024, 1, 1)
DAYS = 90
SUBJECTS = [token(number) for number in range(60)]
REFUSED = SUBJECTS[::6]  # did not agree to training
ITEMS = [f"item-{number:02}" for number in range(36)]
TYPES = [f"FOOD / SHELF {number % 3} / TYPE {number % 12:02}" for number in range(36)]
RARE = "item-rare"  # four buyers: one too few
NEVER = "item-test"  # of the policy's never-items
POLICY = """
version = 1
never = ["tests"]

[groups.tests]
categories = ["PREGNANCY TESTS"]
"""


@dataclass(frozen=True)
class Shop:
    """Where its files lie."""

    folder: Path

    @property
    def purchases(self) -> Path:
        return self.folder / "purchases.parquet"

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue.parquet"

    @property
    def subjects(self) -> Path:
        return self.folder / "subjects.parquet"

    @property
    def guards(self) -> Path:
        return self.folder / "guards.toml"

    @property
    def signing_key(self) -> Path:
        return self.folder / "signing.key"

    @property
    def trust(self) -> Path:
        return self.folder / "signing.key.pub"

    def options(self, models: Path, **changed: object) -> list[str]:
        """The options of a quick fit; None leaves one out."""
        options: dict[str, object] = {
            "purchases": self.purchases,
            "models": models,
            "name": "shop",
            "signing-key": self.signing_key,
            "profile": "test",
        }
        options |= {name.replace("_", "-"): value for name, value in changed.items()}
        return [text for name, value in options.items() if value is not None for text in (f"--{name}", str(value))]

    def full(self, models: Path, **changed: object) -> list[str]:
        """The same with everything that a fit can be given."""
        everything = {"catalogue": self.catalogue, "subjects": self.subjects, "guards": self.guards, "level": "type"}
        return self.options(models, **everything | changed)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        return dict(json.loads(self.stdout.splitlines()[-1]))

    @property
    def bundle(self) -> Path:
        """The bundle that it made."""
        return Path(self.json["bundle"])


Train = Callable[..., Done]


def build(folder: Path) -> Shop:
    """Write the files and a signing key."""
    shop = Shop(folder)
    purchases().write_parquet(shop.purchases)
    catalogue().write_parquet(shop.catalogue)
    subjects().write_parquet(shop.subjects)
    shop.guards.write_text(POLICY, encoding="utf-8")
    create_signing_key(shop.signing_key)
    return shop


def purchases(seed: int = 0) -> pl.DataFrame:
    """Everyone likes a third of the items; a rare item, one that is never offered, and a return are among them."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, subject in enumerate(SUBJECTS):
        taste = [item for position, item in enumerate(ITEMS) if position % 3 == number % 3]
        for item in [*rng.choice(taste, 6, replace=False), rng.choice(ITEMS)]:
            rows += [(subject, str(item), int(day), 1.0) for day in rng.integers(0, DAYS, rng.integers(1, 5))]
    rows += [(SUBJECTS[number], RARE, 10 + number, 1.0) for number in range(1, 5)]
    rows += [(SUBJECTS[number], NEVER, 20, 1.0) for number in range(30)]
    rows += [(SUBJECTS[1], ITEMS[0], 5, 2.0), (SUBJECTS[1], ITEMS[0], 6, -2.0)]
    return lines(rows)


def lines(rows: list[tuple[str, str, int, float]]) -> pl.DataFrame:
    """Rows of subject, item, days after the first day, quantity, as purchases."""
    frame = pl.DataFrame(rows, schema=["subject", "item", "after", "quantity"], orient="row")
    day = (pl.lit(FIRST_DAY) + pl.duration(days=pl.col("after"))).cast(pl.Date).alias("day")
    return frame.select("subject", "item", day, "quantity")


def catalogue() -> pl.DataFrame:
    """All items with a category but the rare one, and one that nobody bought yet."""
    items = [*ITEMS, RARE, NEVER, "item-new"]
    paths = [*TYPES, None, "DRUG / PREGNANCY TESTS / TESTS", TYPES[0]]
    return pl.DataFrame({"item": items, "category": paths, "title": items})


def subjects() -> pl.DataFrame:
    """Everyone agreed to profiling, most to training."""
    consents = [["profiling"] if subject in REFUSED else ["profiling", "training"] for subject in SUBJECTS]
    return pl.DataFrame({"subject": SUBJECTS, "consents": consents})
