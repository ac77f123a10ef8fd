"""A small made-up shop behind the gate, with a real bundle: enough to serve from."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.manifest import MANIFEST_FILE, SIGNATURE_FILE
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from support.commands import succeeded
from support.tokens import token
from training.signing import read_signing_key

AS_OF = dt.date(2017, 11, 27)
NOW = "2017-11-27T09:00:00Z"
BEER, WINE, TEST, MILK = "beer-1", "wine-1", "test-1", "milk-1"
TYPES = ("milk", "bread", "cheese", "fruit", "coffee", "tea", "pasta", "rice", "beer", "wine", "test", "soap")
PATHS = {"beer": "DRINK / BEERS/ALES / beer", "wine": "DRINK / WINE / wine", "test": "DRUG / PREGNANCY TESTS / test"}
POLICY = """
version = 1
name = "small"
never = ["pregnancy"]

[groups.pregnancy]
categories = ["PREGNANCY TESTS"]

[groups.alcohol]
categories = ["BEERS/ALES", "WINE"]

[[only_if_purchased]]
groups = ["alcohol"]
min_days = 2
within_days = 180
"""
EVERYTHING = ["profiling", "training", "channel:email", "channel:till"]

# People with a part of their own; the others are a crowd that buys at random.
DRINKER = token("drinker")  # bought wine on many days
ABSTAINER = token("abstainer")  # bought a lot, never alcohol
UNPROFILED = token("unprofiled")  # channels, but no profiling
UNREACHABLE = token("unreachable")  # profiling, but no channel
UNLISTED = token("unlisted")  # buys, but is not in the subjects file
NEWCOMER = token("newcomer")  # agreed to everything, bought nothing
FRESH = tuple(token(f"fresh {number}") for number in range(20))  # the same, one for each test that reports events
STRANGER = token("stranger")  # nowhere
FOREIGN = token("drinker", domain="partner")  # a partner's token of somebody


@dataclass(frozen=True)
class Shop:
    """Where its files lie."""

    folder: Path

    @property
    def trust(self) -> Path:
        """The key that signed the bundle."""
        return self.folder / "signing.key.pub"

    @property
    def bundle(self) -> Path:
        """Its current version."""
        return self.folder / "models" / "small"

    def file(self, name: str) -> Path:
        """One of purchases, subjects, catalogue, offers."""
        return self.folder / f"{name}.parquet"

    @property
    def guards(self) -> Path:
        """The policy."""
        return self.folder / "guards.toml"

    def load_options(self, state: str) -> list[object]:
        """`recsys-serve load` for this shop."""
        return [
            *("load", "--state", state, "--purchases", self.file("purchases"), "--subjects", self.file("subjects")),
            *("--catalogue", self.file("catalogue"), "--guards", self.guards),
        ]

    def serve_options(self, state: str) -> list[object]:
        """`recsys-serve` for this shop, on a free port, at NOW."""
        return [
            *("--bundle", self.bundle, "--trust", self.trust, "--guards", self.guards, "--now", NOW, "--port", 0),
            *("--catalogue", self.file("catalogue"), "--offers", self.file("offers"), "--state", state),
        ]


def build(folder: Path) -> Shop:
    """Write the files and fit the bundle by the real command."""
    shop = Shop(folder)
    shop.guards.write_text(POLICY)
    CATALOGUE.write(_catalogue(), shop.file("catalogue"))
    OFFERS.write(_offers(), shop.file("offers"))
    PURCHASES.write(_purchases(), shop.file("purchases"))
    SUBJECTS.write(_subjects(), shop.file("subjects"))
    succeeded("training", "keys", "init", "--signing-key", folder / "signing.key")
    _fit(shop, shop.bundle, "type")
    return shop


def resigned(shop: Shop, bundle: Path, place: Path) -> None:
    """Copy a bundle and sign it as another version: `place`'s name. A fit takes much longer."""
    shutil.copytree(bundle, place)
    manifest = (place / MANIFEST_FILE).read_bytes().replace(bundle.name.encode(), place.name.encode())
    (place / MANIFEST_FILE).write_bytes(manifest)
    (place / SIGNATURE_FILE).write_bytes(read_signing_key(shop.folder / "signing.key").sign(manifest))


def challenge(shop: Shop) -> Path:
    """Fit another bundle, which knows items instead of types."""
    bundle = shop.bundle.with_name("challenger")
    if not bundle.exists():
        _fit(shop, bundle, "item")
    return bundle


def _fit(shop: Shop, bundle: Path, level: str) -> None:
    succeeded(
        "training",
        *("fit", "--purchases", shop.file("purchases"), "--subjects", shop.file("subjects")),
        *("--catalogue", shop.file("catalogue"), "--guards", shop.guards, "--level", level),
        *("--models", bundle.parent, "--name", bundle.name, "--signing-key", shop.folder / "signing.key"),
        *("--until", AS_OF, "--profile", "test"),
    )


def _catalogue() -> pl.DataFrame:
    rows = [
        (f"{kind}-{number}", PATHS.get(kind, f"FOOD / {kind.upper()} / {kind}"), f"{kind.title()} {number}")
        for kind in TYPES
        for number in range(3)
    ]
    return pl.DataFrame([*rows, ("unplaced-1", None, "Who knows")], schema=["item", "category", "title"], orient="row")


def _offers() -> pl.DataFrame:
    items = [f"{kind}-1" for kind in TYPES] + ["unplaced-1"]
    return pl.DataFrame({"offer_id": [f"offer-{i}" for i in items], "items": [[i] for i in items], "title": items})


def _purchases() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    sober = [kind for kind in TYPES if kind not in PATHS]
    lines = [(DRINKER, "wine-0", days) for days in range(3, 100, 9)]
    lines += [(ABSTAINER, f"{kind}-{days % 3}", days) for days in range(2, 90, 4) for kind in sober[:4]]
    lines += [(UNPROFILED, "wine-2", days) for days in range(5, 60, 5)]
    lines += [(UNREACHABLE, "milk-0", days) for days in range(5, 60, 5)]
    lines += [(UNLISTED, "milk-0", days) for days in range(5, 60, 5)]
    lines += [(DRINKER, TEST, 4)]
    for number in range(80):
        liked = rng.choice(len(TYPES), 5, replace=False)
        for _ in range(25):
            kind = TYPES[int(rng.choice(liked))]
            lines.append((token(number), f"{kind}-{rng.integers(3)}", int(rng.integers(1, 150))))
    return pl.DataFrame(
        {
            "subject": [line[0] for line in lines],
            "item": [line[1] for line in lines],
            "day": [AS_OF - dt.timedelta(line[2]) for line in lines],
            "quantity": [1.0] * len(lines),
        }
    )


def _subjects() -> pl.DataFrame:
    agreed = {token(number): EVERYTHING for number in range(80)}
    agreed |= dict.fromkeys((DRINKER, ABSTAINER, NEWCOMER, *FRESH), EVERYTHING)
    agreed |= {UNPROFILED: ["channel:email"], UNREACHABLE: ["profiling", "training"]}
    return pl.DataFrame({"subject": list(agreed), "consents": list(agreed.values())})
