"""How the defaults of `training.factorize.Factorization` were chosen: a coarse grid on the validation window.

    python benchmarks/choose_factorization.py

takes about ten minutes and prints the tables of docs/adr/0002-factorization-settings.md. It learns from Complete
Journey's purchases before 2017-10-30 and judges on the four weeks from there; the test window (from 2017-11-27) is not
looked at.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.complete_journey import complete_journey
from recsys.evaluation.comparison import Scores, mean_ndcg
from recsys.evaluation.splits import Split, Window, split_at
from recsys.history import day_number, purchase_days
from training.factorize import Factorization, Transform
from training.features.fold_in import FoldIn
from training.record import Record
from training.vocabulary import items_with_buyers

VALIDATION: Final = Window(dt.date(2017, 10, 30), horizon=28)
REGULARIZATION: Final = (0.35, 0.5, 0.6, 0.7, 1.0)
ALPHA: Final = (0.5, 1.0, 2.0, 4.0)
FACTORS: Final = (32, 64, 128, 256)
SEEDS: Final = (0, 1, 2)
HOUSEHOLDS: Final = (60, 200, 600)
PLAIN: Final = 33.0  # λ at the default, learned from everyone


def main() -> None:
    """Print the grid, what factors and seeds add at the default, and how the share carries over to smaller data."""
    purchases = _category_purchases()
    everyone = Judge.of(purchases)
    _say("| regularization | λ | alpha | transform | novel | mixed |", "|---|---|---|---|---|---|")
    for share, alpha, transform in itertools.product(REGULARIZATION, ALPHA, Transform):
        model = Factorization(regularization=share, alpha=alpha, transform=transform, random_state=0)
        novel, mixed = everyone.ndcg(model)
        _say(f"| {share} | {model.regularization_:.1f} | {alpha:g} | {transform} | {novel:.4f} | {mixed:.4f} |")
    _say("", "| factors | seed | novel | mixed |", "|---|---|---|---|")
    for factors, seed in itertools.product(FACTORS, SEEDS):
        novel, mixed = everyone.ndcg(Factorization(factors, random_state=seed))
        _say(f"| {factors} | {seed} | {novel:.4f} | {mixed:.4f} |")
    _say("", "| households | regularization | λ | novel | mixed |", "|---|---|---|---|---|")
    for households in HOUSEHOLDS:
        smaller(purchases, households)


def smaller(purchases: pl.DataFrame, households: int) -> None:
    """The same on a few households, mean over three draws, beside the λ that all households have."""
    draws = [Judge.of(_drawn(purchases, households, seed)) for seed in SEEDS]
    edges = [Factorization(1, regularization=1.0, iterations=1).fit(judge.counts).regularization_ for judge in draws]
    for share in (*REGULARIZATION, None):
        models = [Factorization(regularization=share or PLAIN / edge, random_state=0) for edge in edges]
        novel, mixed = np.mean([judge.ndcg(model) for judge, model in zip(draws, models, strict=True)], axis=0)
        used = np.mean([model.regularization_ for model in models])
        _say(f"| {households} | {share or 'plain'} | {used:.1f} | {novel:.4f} | {mixed:.4f} |")


@dataclass(frozen=True)
class Judge:
    """What is learned from, and what is judged on."""

    counts: sparse.csr_matrix
    split: Split

    @classmethod
    def of(cls, purchases: pl.DataFrame) -> Judge:
        """Split the purchases at the validation window."""
        daily = purchase_days(purchases, until=VALIDATION.as_of)
        index = items_with_buyers(daily, min_buyers=5)
        record = Record.of(daily, index, np.zeros(len(index), np.int64))
        codes = np.arange(len(index), dtype=np.int32)
        split = split_at(purchases, VALIDATION, index, codes, items=len(codes))
        return cls(record.counts(day_number(VALIDATION.as_of)), split)

    def ndcg(self, model: Factorization) -> tuple[float, float]:
        """NDCG@10 of the tasks novel and mixed, every subject folded in exactly."""
        fold = FoldIn.of(model.fit(self.counts), self.counts)
        means = mean_ndcg(self.split, _scores(fold, self.split))
        return means["novel"], means["mixed"]


def _category_purchases() -> pl.DataFrame:
    """Purchases whose item is the category path."""
    purchases, catalogue = complete_journey()
    placed = purchases.join(catalogue.select("item", "category"), on="item")
    return placed.select("subject", pl.col("category").alias("item"), "day", "quantity")


def _drawn(purchases: pl.DataFrame, households: int, seed: int) -> pl.DataFrame:
    drawn = purchases["subject"].unique().sort().sample(households, seed=seed)
    return purchases.filter(pl.col("subject").is_in(drawn.to_list()))


def _scores(fold: FoldIn, split: Split) -> Scores:
    candidates = np.arange(split.items)

    def scores(rows: slice) -> NDArray[np.float64]:
        histories = split.judged.slice(rows.start, rows.stop)
        bought = (
            np.unique(histories.item[first:last].astype(np.int64), return_counts=True)
            for first, last in itertools.pairwise(histories.offsets)
        )
        return np.stack([fold.scores(items, days.astype(np.float64), candidates) for items, days in bought])

    return scores


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
