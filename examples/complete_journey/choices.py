"""What people chose: the consents they gave, invented, and the interests they declared, from what they really buy."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl
from chance import stream
from source import Source

from recsys.contracts.table import LIST_SEPARATOR

# The share of "yes". Half of the others said "no", half never answered: their cell is empty, which means no.
_CONSENTS: Final = {"profiling": 0.92, "training": 0.90, "email": 0.80, "app": 0.60, "till": 0.85}

_DECLARING: Final = 0.36  # of everyone; some of them bought nothing in time
_MOST_INTERESTS: Final = 3
# Interests come from the first quarter, so that they say nothing about the weeks that a model is judged on.
_BEFORE: Final = dt.datetime(2017, 4, 1)  # noqa: DTZ001 - the shops' own clocks, as in the receipts

# Departments and categories that say nothing about health, faith, origin or a child.
_HARMLESS: Final = (
    "APPLES",
    "BAG SNACKS",
    "BAKED BREAD/BUNS/ROLLS",
    "BAKING MIXES",
    "BERRIES",
    "CANDY - PACKAGED",
    "CAT FOOD",
    "CHEESE",
    "CITRUS",
    "COFFEE",
    "COLD CEREAL",
    "COOKIES/CONES",
    "DOG FOODS",
    "FLORAL",
    "FROZEN PIZZA",
    "GARDEN CENTER",
    "ICE CREAM/MILK/SHERBTS",
    "PASTA SAUCE",
    "PASTRY",
    "SALAD MIX",
    "SOFT DRINKS",
    "SOUP",
    "TEAS",
    "TROPICAL FRUIT",
    "YOGURT",
)


def consents(households: pl.Series, seed: int) -> pl.DataFrame:
    """household_id and one column a purpose: "yes", "no" or empty, independent of each other."""
    columns = {"household_id": households}
    for purpose, share in _CONSENTS.items():
        drawn = pl.Series(stream(seed, f"consent {purpose}").random(len(households)))
        refused = drawn < share + (1 - share) / 2
        columns[f"consent_{purpose}"] = pl.select(
            pl.when(drawn < share).then(pl.lit("yes")).when(refused).then(pl.lit("no"))
        ).to_series()
    return pl.DataFrame(columns)


def interests(source: Source, households: pl.Series, seed: int) -> pl.DataFrame:
    """household_id and interests: for about a third, one to three harmless things that they buy most."""
    random = stream(seed, "interests")
    wanted = random.integers(1, _MOST_INTERESTS + 1, size=len(households))
    declared = pl.DataFrame(
        {"household_id": households, "wanted": wanted, "declares": random.random(len(households)) < _DECLARING}
    ).filter("declares")
    bought = source.transactions.filter(pl.col("transaction_timestamp") < _BEFORE).join(
        source.products, on="product_id"
    )
    named = pl.concat(
        bought.select("household_id", pl.col(level).alias("interest")) for level in ("department", "product_category")
    )
    return (
        named.filter(pl.col("interest").is_in(_HARMLESS))
        .group_by("household_id", "interest")
        .len()
        .join(declared, on="household_id")
        .sort("household_id", "len", "interest", descending=[False, True, False])
        .filter(pl.int_range(pl.len()).over("household_id") < pl.col("wanted"))
        .group_by("household_id", maintain_order=True)
        .agg(pl.col("interest").str.join(LIST_SEPARATOR).alias("interests"))
    )
