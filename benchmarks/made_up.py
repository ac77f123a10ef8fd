"""A made-up model of the default size, for what does not depend on what was learned: speed and memory."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

from recsys.bundle import Bundle
from recsys.contracts.manifest import Level, Manifest, TrainingData
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.history import ItemIndex
from recsys.item_table import ITEM_FEATURES
from training.factorize import Transform
from training.features.assemble import FEATURES, Lens
from training.features.fold_in import FoldIn
from training.graph.assemble import assemble
from training.ranker import Ranker

ITEMS, FACTORS, STEPS = 100_000, 128, 8


def lens_of(rng: np.random.Generator) -> Lens:
    """Factors of so many items, in a thousand categories."""
    fold = FoldIn(
        item_factors=rng.normal(0, 0.03, (ITEMS, FACTORS)).astype(np.float32),
        regularization=30,
        alpha=1,
        transform=Transform.LOG1P,
        mean_beyond_one=np.full(ITEMS, 0.002),
    )
    return Lens(28.0, rng.integers(0, 1_000, ITEMS), fold)


def ranker_of(rng: np.random.Generator, seeds: int) -> Ranker:
    """As many networks as seeds, of the default size."""
    rows = rng.normal(0, 1, (10_000, len(FEATURES))).astype(np.float32)
    return Ranker(seeds=seeds, epochs=1, resample=5_000).fit(rows, rows[:, 0] > 0, np.ones(len(rows)))


def bundle_of(lens: Lens, ranker: Ranker, name: str = "made-up") -> Bundle:
    """The bundle; its manifest has neither version nor hashes yet."""
    names = ItemIndex.of(str(item) for item in range(ITEMS))
    numbers = {column.name: np.ones(ITEMS) for column in ITEM_STATISTICS.columns if column.name != "item"}
    statistics = pl.DataFrame({"item": names.names, **numbers}).with_columns(pl.col("buyers").cast(pl.Int64))
    day = dt.date(2024, 1, 1)
    data = TrainingData(
        fingerprint="0" * 64,
        release=None,
        domain="rec",
        epoch="01",
        first_day=day,
        until=day,
        subjects=1,
        purchases=1,
        consent="assumed",
        guard_policy=None,
    )
    manifest = Manifest(
        name=name,
        version="",
        level=Level.ITEM,
        min_buyers=1,
        data=data,
        configuration={"statistics": len(ITEM_FEATURES)},
        seed=0,
        parity={},
        metrics={},
        privacy={},
        libraries={},
        files={},
    )
    model = assemble(lens, ranker, steps=STEPS)
    return Bundle(Path(name), manifest, model, names, None, statistics, lens.categories)
