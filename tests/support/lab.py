"""The made-up shop with what the policy lab needs beside it: what was bought afterwards, redemptions, demographics."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recsys.cli import app
from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.purchases import PURCHASES
from recsys.evaluation.batch import Question
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.policy_lab.lab import Lab
from support import shop as made_up
from support.commands import in_process
from support.tokens import token

QUESTION = Question("email", 5, None, made_up.AS_OF)
SEEN = range(80)  # the crowd


@dataclass(frozen=True)
class LabFiles:
    """Where they lie."""

    shop: made_up.Shop
    folder: Path

    @property
    def release(self) -> Path:
        """Purchases with four weeks after the day, redemptions, demographics."""
        return self.folder / "release"

    @property
    def demographics(self) -> Path:
        """`drinks` follows wine and beer; `coin` follows nothing; three people are of group `rare`."""
        return self.release / "demographics.parquet"

    def policy(self, name: str, *more: str) -> Path:
        """The shop's policy with something added."""
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join([made_up.POLICY, *more]))
        return path

    def options(self, **changed: object) -> list[str]:
        """The options that the commands share."""
        shop = self.shop
        options = {
            "bundle": shop.bundle,
            "trust": shop.trust,
            "purchases": self.release / "purchases.parquet",
            "subjects": shop.file("subjects"),
            "catalogue": shop.file("catalogue"),
            "offers": shop.file("offers"),
            "as-of": made_up.AS_OF,
            "k": QUESTION.count,
        }
        return [text for name, value in (options | changed).items() for text in (f"--{name}", str(value))]

    def run(self, command: str, *arguments: object, **changed: object) -> None:
        """A command of the lab, in this process: its errors are raised as they are."""
        in_process(app, "policy", command, *arguments, *self.options(**changed))

    def lab(self) -> Lab:
        """Everyone, as the commands see them."""
        shop = self.shop
        opened = Shop(shop.bundle, shop.trust, shop.guards, shop.file("catalogue"), shop.file("offers")).open()
        people = People(self.release / "purchases.parquet", shop.file("subjects"), None)
        return Lab.of(opened, people.read(today=made_up.AS_OF + dt.timedelta(days=60)), QUESTION)


def build(folder: Path, shop: made_up.Shop) -> LabFiles:
    """Write the files."""
    files = LabFiles(shop, folder)
    rng = np.random.default_rng(11)
    before = pl.read_parquet(shop.file("purchases"))
    crowd = [token(number) for number in SEEN]
    later = [
        (subject, f"{made_up.TYPES[int(rng.integers(len(made_up.TYPES)))]}-1", made_up.AS_OF + dt.timedelta(int(after)))
        for subject in crowd
        for after in rng.integers(0, 28, 4)
    ]
    after = pl.DataFrame(later, schema=["subject", "item", "day"], orient="row").with_columns(quantity=pl.lit(1.0))
    PURCHASES.write(pl.concat([before, after.select(before.columns)]), files.release / "purchases.parquet")
    redeemed = [(token(n), f"offer-{n}", made_up.AS_OF - dt.timedelta(7 * (n + 1))) for n in range(12)]
    REDEMPTIONS.write(
        pl.DataFrame(redeemed, schema=["subject", "offer_id", "day"], orient="row"),
        files.release / "redemptions.parquet",
    )
    drinks = before.filter(pl.col("item").str.contains("^(wine|beer)-")).group_by("subject").len()
    heavy = set(drinks.filter(pl.col("len") >= 2)["subject"])
    rows = [(subject, "drinks", "2+ days" if subject in heavy else "0 days") for subject in crowd]
    rows += [(subject, "coin", str(rng.choice(["heads", "tails"]))) for subject in crowd]
    rows += [(subject, "rarity", "rare" if place < 3 else "common") for place, subject in enumerate(crowd)]
    DEMOGRAPHICS.write(pl.DataFrame(rows, schema=["subject", "attribute", "group"], orient="row"), files.demographics)
    return files
