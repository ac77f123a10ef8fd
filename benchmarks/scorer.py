"""Folding a history in inside the graph, against the exact solution in NumPy: `python -m benchmarks.scorer`.

Needs the bundle that `make demo` leaves in build/demo. The exact solution has random factors of the same size, since a
bundle does not give its own away; one thread each.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import compare
from recsys.bundle import load_bundle
from recsys.errors import BundleError
from recsys.scorer import ModelHistories, Scorer
from training.factorize import Transform
from training.graph.reference import FoldIn

DEMO = Path("build/demo")
LENGTH, FACTORS = 200, 128  # the default profile's factors


def main() -> None:
    """Print seconds and ratio for one history and for 64."""
    try:
        scorer = Scorer(load_bundle(DEMO / "models" / "grocery", trust=DEMO / "signing.key.pub"))
    except BundleError as error:
        sys.exit(f"Run `make demo` first: {error}")
    rng = np.random.default_rng(0)
    size = len(scorer.vocabulary)
    everything = np.arange(size)
    exact = FoldIn(
        item_factors=rng.normal(0, 0.1, (size, FACTORS)).astype(np.float32),
        regularization=30,
        alpha=1,
        transform=Transform.LOG1P,
        mean_beyond_one=np.zeros(size),
    )
    for batch in (1, 64):
        items = np.stack([rng.choice(size, LENGTH, replace=False) for _ in range(batch)])
        given = ModelHistories(items, rng.integers(1, 20, (batch, LENGTH)).astype(np.float32))
        label = f"{batch} x {LENGTH} items folded in, {size:,} candidates scored"
        ours = partial(scorer.score, given, everything)
        sys.stdout.write(f"{compare(label, ours, partial(_one_by_one, exact, given, everything))}\n")


def _one_by_one(exact: FoldIn, given: ModelHistories, candidates: NDArray[np.int64]) -> None:
    for items, counts in zip(given.items, given.counts, strict=True):
        exact.scores(items, counts, candidates)


if __name__ == "__main__":
    main()
