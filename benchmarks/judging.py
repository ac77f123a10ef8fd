"""Judging alone: `python -m benchmarks.judging`. No demo is needed; --runs times lists that a backtest wrote.

2,469 households, 2,119 and more types, 8 models, 5 windows of 28 days, three tasks: lists of ten drawn at random, the
popular more often, since what a list holds changes nothing in the work of judging it. Then `recsys-evaluate ranking` as
a process of its own: reading, judging, 9,999 resamples, the page. The claim is 60 seconds once lists exist.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.results.data import write_complete_journey
from recsys.console import today
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.manifest import Level
from recsys.contracts.runs import RunModel, Runs, RunWindow, SplitKind
from recsys.evaluation.assembling import Assembly
from recsys.evaluation.comparison import K, Scores, listed
from recsys.evaluation.runs import RunSet, window_of, write_runs
from recsys.evaluation.source import Source, read_source
from recsys.evaluation.splits import Split, compact, split_at
from recsys.history import ItemIndex
from recsys.model_items import catalogue_map, model_codes

NAMES = [f"model-{number}" for number in range(8)]
HORIZON = 28
STARTS = [dt.date(2017, 11, 27) - dt.timedelta(days=HORIZON * number) for number in reversed(range(5))]
LEAST = 5  # buyers of a type that may be listed


def main() -> None:
    """Make lists, if there are none, and time the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="Lists of `recsys-train backtest`; with --purchases")
    parser.add_argument("--purchases", type=Path, help="What they were made from")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        runs, purchases, folder = given.runs, given.purchases, Path(name)
        if runs is None:
            runs, purchases = folder / "runs", folder / "purchases.parquet"
            write_complete_journey(folder)
            made = random_runs(read_source(purchases, today=today()), folder / "catalogue.parquet")
            print(f"{made.lists['subject'].n_unique():,} households, {made.vocabularies['item'].n_unique():,} types")  # noqa: T201 - a script's result
            write_runs(runs, made)
        words = ["ranking", "--runs", runs, "--purchases", purchases, "--out", folder / "report"]
        wall = time.perf_counter()
        subprocess.run([sys.executable, "-m", "recsys", *map(str, words)], check=True, capture_output=True)  # noqa: S603 - our own
        wall, used = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"judging, page included: {wall:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU")  # noqa: T201 - a script's result


def random_runs(source: Source, catalogue: Path) -> RunSet:
    """Lists of ten for everyone, of models that know nothing but what is popular."""
    rng, runs = np.random.default_rng(0), Assembly(K, ())
    item_map = catalogue_map(CATALOGUE.read(catalogue), Level.TYPE)
    index = ItemIndex.of(source.purchases["item"].unique().sort())
    purchases = compact(source.purchases)
    windows = tuple(RunWindow(name=start.isoformat(), as_of=start, horizon=HORIZON) for start in STARTS)
    for window in windows:
        vocabulary = known_types(source.purchases, item_map, window.as_of)
        codes = model_codes(index, vocabulary, item_map)
        split = split_at(purchases, window_of(window), index, codes, items=len(vocabulary))
        runs.add_window(window, vocabulary)
        for name in NAMES:
            runs.add_lists(name, window, split, vocabulary, listed(split, drawn(split, rng)))
    return RunSet(manifest(source, windows), runs.lists(), runs.vocabularies(), item_map)


def known_types(purchases: pl.DataFrame, item_map: pl.DataFrame, before: dt.date) -> ItemIndex:
    """The types that enough households had bought."""
    typed = purchases.filter(pl.col("day") < before).join(item_map, on="item")
    buyers = typed.group_by("model_item").agg(pl.col("subject").n_unique())
    return ItemIndex.of(buyers.filter(pl.col("subject") >= LEAST)["model_item"].sort())


def drawn(split: Split, rng: np.random.Generator) -> Scores:
    """Popularity and luck."""
    popular = np.log1p(np.bincount(split.everyone.item, minlength=split.items))

    def scores(rows: slice) -> NDArray[np.float64]:
        return np.asarray(popular + rng.gumbel(size=(rows.stop - rows.start, split.items)), np.float64)

    return scores


def manifest(source: Source, windows: tuple[RunWindow, ...]) -> Runs:
    """Eight models, the last of them the one that is held against the others."""
    roles = ["baseline"] * (len(NAMES) - 1) + ["candidate"]
    return Runs(
        split=SplitKind.TIME,
        k=K,
        level=Level.TYPE,
        purchases=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        seed=0,
        candidate=NAMES[-1],
        windows=windows,
        models=tuple(
            RunModel(name=name, role=role, title=name, about="Draws lots.", learned=False, trials=0)  # type: ignore[arg-type]  # of two words
            for name, role in zip(NAMES, roles, strict=True)
        ),
        files={},
    )


if __name__ == "__main__":
    main()
