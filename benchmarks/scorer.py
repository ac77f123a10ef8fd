"""The graph that serves against the model in NumPy: `python -m benchmarks.scorer`.

A made-up model of the default size: 100,000 items, 128 factors, networks of 64 and 32; 2,000 candidates,
a history of 200 items bought on 600 days. One thread each; a subject's milliseconds.

First alone, one request after another, each of other histories: the least and the median of many. Then in turn with
NumPy, whose passes over the catalogue leave nothing of the graph in the processor's caches: what a request costs after
other work.
"""

from __future__ import annotations

import datetime as dt
import sys
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks.timing import compare, seconds
from recsys.bundle import Bundle
from recsys.contracts.manifest import Level, Manifest, TrainingData
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.history import ItemIndex
from recsys.item_table import ITEM_FEATURES
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.factorize import Transform
from training.features.assemble import FEATURES, Lens, Seen
from training.features.fold_in import FoldIn
from training.graph.assemble import assemble
from training.parity import Native
from training.ranker import Ranker

ITEMS, CANDIDATES, LENGTH, DAYS, FACTORS, STEPS = 100_000, 2_000, 200, 600, 128, 8
REQUESTS = 640  # subjects that are scored alone


def main() -> None:
    """Print milliseconds a subject and the ratio, for one history and for 64."""
    rng = np.random.default_rng(0)
    lens = _lens(rng)
    for label, ranker in (("three networks", _ranker(rng, 3)), ("one network", _ranker(rng, 1))):
        scorer = Scorer(_bundle(lens, ranker))
        candidates = np.sort(rng.choice(ITEMS, CANDIDATES, replace=False))
        for batch in (1, 64):
            sys.stdout.write(f"{label}, {batch} x {LENGTH} items, alone: {_alone(scorer, rng, batch, candidates)}\n")
            given = _histories(rng, batch)
            native = partial(_native, Native(lens, ranker), scorer, given, candidates)
            result = compare(f"{label}, {batch} x {LENGTH} items", partial(scorer.score, given, candidates), native)
            sys.stdout.write(f"{result}   {result.ours / batch * 1e3:.2f} ms a subject\n")


def _alone(scorer: Scorer, rng: np.random.Generator, batch: int, candidates: np.ndarray) -> str:
    requests = [_histories(rng, batch) for _ in range(10)]
    scorer.score(requests[0], candidates)
    times = [
        seconds(partial(scorer.score, given, candidates)) / batch * 1e3
        for given in islice(cycle(requests), REQUESTS // batch)
    ]
    return f"{min(times):.2f} ms a subject, {median(times):.2f} in the median"


def _native(native: Native, scorer: Scorer, given: ModelHistories, candidates: np.ndarray) -> None:
    for row in range(len(given)):
        seen = Seen.of(given.rows(slice(row, row + 1)), scorer.items[:-1], native.lens)
        native.scores(seen, candidates)


def _lens(rng: np.random.Generator) -> Lens:
    fold = FoldIn(
        item_factors=rng.normal(0, 0.03, (ITEMS, FACTORS)).astype(np.float32),
        regularization=30,
        alpha=1,
        transform=Transform.LOG1P,
        mean_beyond_one=np.full(ITEMS, 0.002),
    )
    return Lens(28.0, rng.integers(0, 1_000, ITEMS), fold)


def _ranker(rng: np.random.Generator, seeds: int) -> Ranker:
    rows = rng.normal(0, 1, (10_000, len(FEATURES))).astype(np.float32)
    return Ranker(seeds=seeds, epochs=1, resample=5_000).fit(rows, rows[:, 0] > 0, np.ones(len(rows)))


def _histories(rng: np.random.Generator, batch: int) -> ModelHistories:
    slots = np.sort(np.concatenate([np.arange(LENGTH), rng.integers(0, LENGTH, DAYS - LENGTH)]))
    trips = rng.integers(0, 100, (batch, DAYS)).astype(np.float32)
    return ModelHistories(
        np.stack([rng.choice(ITEMS, LENGTH, replace=False) for _ in range(batch)]),
        np.tile(slots, (batch, 1)),
        trips * 3,
        trips,
        np.ones((batch, DAYS), np.float32),
    )


def _bundle(lens: Lens, ranker: Ranker) -> Bundle:
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
        name="made-up",
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
    return Bundle(Path("made-up"), manifest, model, names, None, statistics, lens.categories)


if __name__ == "__main__":
    main()
