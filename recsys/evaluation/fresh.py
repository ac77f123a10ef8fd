"""Item statistics as they were: computed from the purchases at hand, strictly before a day."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.history import ItemIndex, day_number, purchase_days
from recsys.scorer import Scorer
from recsys.statistics import PurchaseLog


def model_item_days(
    purchases: pl.DataFrame, index: ItemIndex, codes: NDArray[np.int32], vocabulary: ItemIndex
) -> pl.DataFrame:
    """`subject, item, day` of known model items, one row each.

    Args:
        purchases: In the purchases contract.
        index: The items of `purchases`.
        codes: int32 [len(index)], the model item of each, -1 for none.
        vocabulary: The model items.
    """
    known = codes >= 0
    names = pl.DataFrame(
        {
            "item": pl.Series(index.names, dtype=pl.String).filter(pl.Series(known)),
            "model_item": pl.Series(vocabulary.names, dtype=pl.String).gather(codes[known]),
        }
    )
    daily = purchase_days(purchases).select("subject", "item", "day").join(names, on="item")
    return daily.select("subject", pl.col("model_item").alias("item"), "day").unique()


class FreshStatistics:
    """Gives a scorer the statistics as of a day; what is dated on it or later does not count.

    Args:
        scorer: Whose statistics are replaced.
        daily: `subject, item, day` with the scorer's model items; see `model_item_days`.
    """

    def __init__(self, scorer: Scorer, daily: pl.DataFrame) -> None:
        self._scorer = scorer
        self._log = PurchaseLog.of(daily)

    def refresh(self, day: dt.date) -> None:
        """Compute them and hand them over."""
        least = self._scorer.bundle.manifest.min_buyers
        self._scorer.refresh(self._log.as_of(day_number(day), min_buyers=least))
