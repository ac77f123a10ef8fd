"""What sells, where statistics of k people say little of what was bought lately."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from recsys.bundle import load_bundle
from recsys.fallback import popularity
from recsys.scorer import Scorer

MODELS = Path(__file__).parents[2] / "models"


def sells(lately: dict[str, float]) -> dict[str, float]:
    """The popularity of the corner shop's items, of which so many were bought lately and the others were not."""
    scorer = Scorer(load_bundle(MODELS / "corner-shop", trust=MODELS / "corner-shop.pub"))
    some = pl.col("item").replace_strict(lately, default=0.0, return_dtype=pl.Float64)
    told = scorer.refreshed(scorer.statistics.with_columns(some.alias("popularity_30d")))
    return dict(zip(scorer.vocabulary.names, popularity(told).tolist(), strict=True))


def test_without_any_recent_purchase_that_may_be_told_what_sold_ever_sells() -> None:
    scorer = Scorer(load_bundle(MODELS / "corner-shop", trust=MODELS / "corner-shop.pub"))
    ever = dict(scorer.statistics.select("item", "popularity").iter_rows())
    found = sells({})
    assert np.isfinite(list(found.values())).all()
    assert sorted(found, key=lambda item: (found[item], item)) == sorted(ever, key=lambda item: (ever[item], item))


def test_what_sold_lately_comes_first_whatever_sold_before() -> None:
    scorer = Scorer(load_bundle(MODELS / "corner-shop", trust=MODELS / "corner-shop.pub"))
    least = scorer.statistics.sort("popularity")["item"][0]
    found = sells({least: 0.5})
    assert max(found, key=found.__getitem__) == least
    assert sum(found.values()) < 1.001
