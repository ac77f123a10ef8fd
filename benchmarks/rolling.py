"""The default fit and tuned baselines on rolling four-week windows of Complete Journey: `python -m benchmarks.rolling`.

Each window: everything is learned, and every baseline tuned, on what lies before it; then all are judged on it. Prints
NDCG@10 of each, and what the bundle adds, with 95 % intervals by bootstrap over households. Takes some minutes a
window; what is done is kept in the folder given, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.choose_factorization import complete_journey
from recsys.contracts.manifest import TrainingData
from recsys.evaluation.comparison import Scores, compare
from recsys.evaluation.metrics import METRICS
from recsys.evaluation.splits import Split, Window, time_split
from recsys.history import Histories, ItemIndex, day_number, histories, purchase_days
from recsys.scorer import Scorer
from training.baselines import EASE
from training.dataset import Dataset
from training.factorize import Factorization, Transform
from training.fit import Options, fit
from training.graph.reference import FoldIn
from training.levels import LevelChoice

LAST = dt.date(2017, 11, 27)
WEEKS = 4
RESAMPLES = 4_000
Values = dict[str, dict[str, dict[str, float]]]  # task, model, household: NDCG@10


def main() -> None:
    """Run the windows that are not there yet, then print what all of them say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the newest window to judge")
    parser.add_argument("--out", type=Path, default=Path("build/rolling"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    purchases = complete_journey()
    frames = []
    for number in range(given.first, given.windows):
        start = LAST - dt.timedelta(weeks=WEEKS * number)
        file = given.out / f"{start}.parquet"
        if not file.is_file():
            judged(purchases, Window(start, 7 * WEEKS)).write_parquet(file)
        frames.append(pl.read_parquet(file).with_columns(window=pl.lit(str(start))))
        report(frames[-1], str(start))
    report(pl.concat(frames), "all windows")


def judged(purchases: pl.DataFrame, window: Window) -> pl.DataFrame:
    """`task, model, subject, ndcg` of the bundle and the baselines."""
    begun = time.process_time()
    dataset = dataset_before(purchases, window.as_of)
    bundle = fit(dataset, Options("rolling", LevelChoice.ITEM)).bundle
    say(f"{window.as_of}: fitted in {time.process_time() - begun:.0f} s of CPU, {bundle.manifest.configuration}")
    say(f"{bundle.manifest.privacy} {bundle.manifest.parity}")
    index = bundle.vocabulary
    codes = np.arange(len(index), dtype=np.int32)
    split = time_split(purchases, window, index, codes, items=len(index))
    scorer = Scorer(bundle)
    given = histories(purchases, index, until=window.as_of, subjects=split.judged.subjects)

    def by_bundle(rows: slice) -> NDArray[np.floating]:
        part = given.slice(rows.start, rows.stop)
        return scorer.score(scorer.fold(part, codes, as_of=day_number(window.as_of)), np.arange(len(index)))

    models = {"bundle": by_bundle, **tuned_baselines(purchases, window, index, split)}
    return values_of(split, models)


def dataset_before(purchases: pl.DataFrame, until: dt.date) -> Dataset:
    """What `fit` is given; the items are category paths already."""
    before = purchases.filter(pl.col("day") < until)
    names = before["item"].unique().sort()
    above = names.str.split(" / ").list.head(2).list.join(" / ")
    lineage = TrainingData(
        fingerprint="0" * 64,
        release=None,
        domain="rec",
        epoch="01",
        first_day=dt.date.fromisoformat(str(before["day"].min())),
        until=until,
        subjects=before["subject"].n_unique(),
        purchases=len(before),
        consent="assumed",
        guard_policy=None,
    )
    catalogue = pl.DataFrame({"item": names, "category": above, "title": names})
    return Dataset(purchase_days(before), catalogue, lineage, ())


def tuned_baselines(purchases: pl.DataFrame, window: Window, index: ItemIndex, split: Split) -> dict[str, Scores]:
    """GP-Pop, EASE and ALS, each with the settings that were best on the four weeks before the window."""
    before = Window(window.as_of - dt.timedelta(days=window.horizon), window.horizon)
    codes = np.arange(len(index), dtype=np.int32)
    earlier = time_split(purchases, before, index, codes, items=len(index))
    grids: dict[str, tuple[str, list[Callable[[Split], Scores]]]] = {
        "gp-pop": (
            "mixed",
            [_gp_pop(*chosen) for chosen in itertools.product((10.0, 20.0), (8.0, 30.0), (1.0, 2.5, 5.0))],
        ),
        "ease": (
            "novel",
            [_ease(*chosen) for chosen in itertools.product((300.0, 1000.0), (Transform.BINARY, Transform.LOG1P))],
        ),
        "als": (
            "novel",
            [
                _als(*chosen)
                for chosen in itertools.product((0.5, 0.6, 0.7), (0.5, 1.0), (Transform.LOG1P, Transform.SQRT))
            ],
        ),
    }
    found = {}
    for name, (task, grid) in grids.items():
        means = [mean_of(values_of(earlier, {name: made(earlier)}), task) for made in grid]
        found[name] = grid[int(np.argmax(means))](split)
    return found


def _gp_pop(half_life: float, popularity: float, weight: float) -> Callable[[Split], Scores]:
    """Own purchase days halved every so many shopping days, and everyone's halved every so many days."""

    def made(split: Split) -> Scores:
        everyone, day = split.everyone, day_number(split.window.as_of)
        prior = np.bincount(everyone.item, np.exp2((everyone.day - day) / popularity), minlength=split.items)

        def scores(rows: slice) -> NDArray[np.float64]:
            own = split.judged.slice(rows.start, rows.stop)
            cells = own.rows_of * split.items + own.item
            counted = np.bincount(cells, np.exp2(-_trips(own) / half_life), minlength=len(own) * split.items)
            return np.asarray(counted.reshape(len(own), -1) + weight * prior / prior.max())

        return scores

    return made


def _trips(own: Histories) -> NDArray[np.int64]:
    """On how many later days the same subject bought anything, for each row."""
    keys = own.rows_of * 1_000_000 + own.day
    days = np.unique(keys)
    last = np.searchsorted(days // 1_000_000, np.arange(len(own)), side="right") - 1
    return np.asarray(last[own.rows_of] - np.searchsorted(days, keys))


def _ease(regularization: float, transform: Transform) -> Callable[[Split], Scores]:
    def made(split: Split) -> Scores:
        model = EASE(regularization, transform=transform).fit(_counts(split.everyone, split.items))
        return lambda rows: model.predict(_counts(split.judged.slice(rows.start, rows.stop), split.items))

    return made


def _als(regularization: float, alpha: float, transform: Transform) -> Callable[[Split], Scores]:
    def made(split: Split) -> Scores:
        counts = _counts(split.everyone, split.items)
        model = Factorization(regularization=regularization, alpha=alpha, transform=transform, random_state=0)
        fold = FoldIn.of(model.fit(counts), counts)

        def scores(rows: slice) -> NDArray[np.float64]:
            own = _counts(split.judged.slice(rows.start, rows.stop), split.items)
            everything = np.arange(split.items)
            return np.stack([fold.scores(row.indices.astype(np.int64), row.data, everything) for row in own])

        return scores

    return made


def _counts(given: Histories, items: int) -> sparse.csr_matrix:
    ones = np.ones(len(given.item), np.float32)
    return sparse.csr_matrix((ones, (given.rows_of, given.item)), shape=(len(given), items))


def values_of(split: Split, models: dict[str, Scores]) -> pl.DataFrame:
    """`task, model, subject, ndcg`."""
    place = list(METRICS).index("ndcg")
    parts = [
        pl.DataFrame(
            {
                "task": task,
                "model": name,
                "subject": [split.judged.subjects[row] for row in values.rows],
                "ndcg": values.metrics[:, position, place],
            }
        )
        for task, values in compare(split, models).items()
        for position, name in enumerate(models)
    ]
    return pl.concat(parts)


def mean_of(values: pl.DataFrame, task: str) -> float:
    """The mean NDCG at a task."""
    return float(np.mean(values.filter(pl.col("task") == task)["ndcg"].to_numpy()))


def report(values: pl.DataFrame, label: str) -> None:
    """Print means, and the bundle's differences with intervals, windows counting alike."""
    say(label)
    for task in ("mixed", "novel"):
        of_task = values.filter(pl.col("task") == task)
        keys = [key for key in ("window",) if key in of_task.columns]
        means = of_task.group_by("model", *keys).agg(pl.col("ndcg").mean()).group_by("model").agg(pl.col("ndcg").mean())
        say(f"  {task}: " + ", ".join(f"{name} {value:.4f}" for name, value in sorted(means.iter_rows())))
        for name in ("gp-pop", "als", "ease"):
            mean, low, high = difference(of_task, name)
            say(f"    bundle - {name}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]")


@dataclass(frozen=True)
class _Paired:
    """Differences by household: sums and counts of each window, [households, windows]."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    def mean(self, drawn: NDArray[np.float64]) -> float:
        """The mean over windows of the mean over households, each drawn so many times."""
        return float((drawn @ self.sums / (drawn @ self.counts)).mean())


def difference(values: pl.DataFrame, baseline: str) -> tuple[float, float, float]:
    """The mean difference and its interval, by bootstrap over households."""
    wide = values.filter(pl.col("model").is_in(["bundle", baseline])).pivot(
        on="model", index=["window", "subject"], values="ndcg"
    )
    wide = wide.with_columns((pl.col("bundle") - pl.col(baseline)).alias("difference"))
    table = wide.pivot(on="window", index="subject", values="difference").drop("subject").to_numpy()
    paired = _Paired(np.nan_to_num(table), np.isfinite(table).astype(float))
    rng = np.random.default_rng(0)
    means = [paired.mean(weights) for weights in _draws(len(table), rng)]
    low, high = np.quantile(means, [0.025, 0.975])
    return paired.mean(np.ones(len(table))), float(low), float(high)


def _draws(households: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(0, households, households), minlength=households).astype(float)


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
