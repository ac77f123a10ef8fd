"""A corner shop that does not exist: forty things, 300 customers, half a year. Nobody's data is in it."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.document import encode_document
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.release import RELEASE_FILE, Release, fingerprint
from recsys.contracts.subjects import SUBJECTS
from recsys.files import sha256_of

UNTIL: Final = dt.date(2025, 3, 1)  # the day after the last purchase
_DAYS: Final = 180
_CUSTOMERS: Final = 300
_SHELVES: Final = {
    "DAIRY": ("milk", "butter", "yoghurt", "cheese", "cream"),
    "BAKERY": ("white bread", "rye bread", "rolls", "croissants", "cake"),
    "FRUIT": ("apples", "bananas", "oranges", "grapes", "pears"),
    "VEGETABLES": ("potatoes", "carrots", "tomatoes", "onions", "salad"),
    "DRINKS": ("coffee", "tea", "juice", "water", "lemonade"),
    "PANTRY": ("pasta", "rice", "flour", "sugar", "oil"),
    "HOUSEHOLD": ("soap", "washing powder", "tissues", "bin bags", "candles"),
    "SWEETS": ("chocolate", "biscuits", "jam", "honey", "ice cream"),
}


def write_release(folder: Path) -> None:
    """What an identity gate would hand over: purchases, subjects, and what they are; and, beside it, the catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = purchases()
    people = lines["subject"].unique().sort()
    agreed = [["profiling", "training"]] * len(people)
    PURCHASES.write(lines, folder / "purchases.parquet")
    SUBJECTS.write(pl.DataFrame({"subject": people, "consents": agreed}), folder / "subjects.parquet")
    CATALOGUE.write(catalogue(), folder / "catalogue.parquet")
    files = {name: sha256_of(folder / name) for name in ("purchases.parquet", "subjects.parquet")}
    release = Release(
        domain="example",
        epoch="01",
        field_policy=hashlib.sha256(b"").hexdigest(),  # nobody was pseudonymised: there is nobody
        guard_policy=None,
        fingerprint=fingerprint(files),
        files=files,
        rows={"purchases.parquet": len(lines), "subjects.parquet": len(people)},
        dropped={},
    )
    (folder / RELEASE_FILE).write_bytes(encode_document(release))


def catalogue() -> pl.DataFrame:
    """Forty things on eight shelves."""
    rows = [
        (item, f"SHOP / {shelf} / {item}", item.capitalize()) for shelf, items in _SHELVES.items() for item in items
    ]
    return pl.DataFrame(rows, schema=["item", "category", "title"], orient="row")


def purchases() -> pl.DataFrame:
    """Everyone likes three shelves, comes every few days, and buys the same few things again and again."""
    rng = np.random.default_rng(2025)
    shelves = list(_SHELVES.values())
    rows = []
    for number in range(_CUSTOMERS):
        liked = [item for shelf in rng.choice(len(shelves), 3, replace=False) for item in shelves[shelf]]
        taste = rng.dirichlet(np.full(len(liked), 0.4))
        for after in np.cumsum(rng.integers(2, 12, _DAYS)):
            if after >= _DAYS:
                break
            day = UNTIL - dt.timedelta(days=int(_DAYS - after))
            basket = {liked[place] for place in rng.choice(len(liked), int(rng.integers(1, 6)), p=taste)}
            rows += [(token(number), item, day, float(rng.integers(1, 4))) for item in sorted(basket)]
    return pl.DataFrame(rows, schema=["subject", "item", "day", "quantity"], orient="row")


def token(number: int) -> str:
    """A token of nobody."""
    digest = hashlib.sha256(f"corner shop {number}".encode()).digest()[:16]
    return f"s1.example.01.{base64.b32encode(digest).decode().rstrip('=').lower()}"
