"""The catalogue: what is sold, where it belongs, and what a shopper reads."""

from __future__ import annotations

from typing import Final

import polars as pl
from titles import category_name, goods_name, sentence

from recsys.contracts.catalogue import PATH_SEPARATOR

LEVELS: Final = ("department", "product_category", "product_type")

# What goes over the till and is not merchandise. Its category stays empty, so that it is neither learned from by type
# nor offered: a policy withholds what it cannot place.
_NOT_MERCHANDISE: Final = {
    "department": (
        "AUTOMOTIVE",
        "CNTRL/STORE SUP",
        "COUPON",
        "ELECT &PLUMBING",
        "FUEL",
        "GM MERCH EXP",
        "MISCELLANEOUS",
        "PHOTO & VIDEO",
        "POSTAL CENTER",
        "PROD-WHS SALES",
        "RESTAURANT",
        "TOYS",
        "TRAVEL & LEISURE",
    ),
    "product_category": (
        "COUPON/MISC ITEMS",
        "COUPONS/STORE & MFG",
        "MISC SALES TRANS",
        "NO COMMODITY DESCRIPTION",
    ),
}


def make_catalogue(products: pl.DataFrame) -> pl.DataFrame:
    """Every product, by its number, as the catalogue's contract wants it."""
    merchandise = ~pl.any_horizontal(pl.col(level).is_in(names) for level, names in _NOT_MERCHANDISE.items())
    path = pl.concat_str(LEVELS, separator=PATH_SEPARATOR)  # empty where any part is
    names = products.select(LEVELS).unique()
    titles = names.with_columns(
        pl.Series("title", [sentence(goods_name(*parts)) for parts in names.iter_rows()], dtype=pl.String),
        pl.Series("category_title", [category_name(*parts) for parts in names.iter_rows()], dtype=pl.String),
    )
    size = pl.col("package_size").str.replace(r"\s*\([^)]*$", "")  # the till cut it off inside a bracket
    titled = products.join(titles, on=LEVELS, nulls_equal=True)
    return titled.sort("product_id").select(
        pl.col("product_id").cast(pl.String).alias("item"),
        pl.when(merchandise).then(path).alias("category"),
        pl.concat_str("title", size, separator=", ", ignore_nulls=True),
        pl.when(merchandise & path.is_not_null()).then(pl.col("category_title")),
        pl.format("{} {}", "brand", "manufacturer_id").alias("brand"),
    )
