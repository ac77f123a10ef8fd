"""Public data, brought to the purchases contract. Nothing of it is committed."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.complete_journey import complete_journey
from benchmarks.public_tokens import tokenised
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES

_RATINGS: Final = "recbole/dataset_example/ml-100k/ml-100k.inter"
_FIRST: Final = dt.date(2000, 1, 1)
_HUNDREDTHS: Final = 100
MOVIELENS_DAYS: Final = (
    "**These days are no real ones.** A rating's day is its place in the person's own order, in hundredths: of the 943 "
    "people two of three rated everything within one day, half within 49 minutes, so that real days give no histories "
    "that grow (of the last five real windows of four weeks none has more than 101 people with a history). What others "
    "did *before* a day may in truth have come months after it, and *of late* is a place in people's orders, not a "
    "time: on this clock *fresh* means little."
)  # the first line of all that the page says of MovieLens


def write_complete_journey(folder: Path) -> None:
    """Receipts and catalogue of 2,469 households."""
    purchases, catalogue = complete_journey()
    PURCHASES.write(tokenised(purchases), folder / "purchases.parquet")
    CATALOGUE.write(catalogue, folder / "catalogue.parquet")


def write_movielens(folder: Path, wheel: Path) -> None:
    """MovieLens 100K from inside recbole's wheel: every rating as a purchase, never repeated.

    By real days hardly anybody has a history that grows (`MOVIELENS_DAYS`). So a rating's day is its place in the
    person's own order, in hundredths, and a window of ten days is a tenth of what each person rated.
    """
    text = zipfile.ZipFile(wheel).read(_RATINGS)
    ratings = pl.read_csv(io.BytesIO(text), separator="\t", infer_schema=False)
    ratings.columns = [name.partition(":")[0] for name in ratings.columns]
    order = ratings.with_columns(pl.col("timestamp").cast(pl.Float64)).sort("user_id", "timestamp", "item_id")
    place = pl.int_range(pl.len()) * _HUNDREDTHS // pl.len()
    placed = order.with_columns(place.over("user_id").alias("place"))
    purchases = placed.select(
        pl.col("user_id").alias("subject"),
        pl.col("item_id").alias("item"),
        (pl.lit(_FIRST) + pl.duration(days=pl.col("place"))).cast(pl.Date).alias("day"),
        pl.lit(1.0).alias("quantity"),
    )
    PURCHASES.write(tokenised(purchases), folder / "purchases.parquet")
