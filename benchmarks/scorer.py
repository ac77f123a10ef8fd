"""The graph that serves against the model in NumPy: `python -m benchmarks.scorer`.

A made-up model of the default size: 100,000 items, 128 factors, networks of 64 and 32; 2,000 candidates,
a history of 200 items bought on 600 days. One thread each; a subject's milliseconds.

First alone, one request after another, each of other histories: the least and the median of many. Then in turn with
NumPy, whose passes over the catalogue leave nothing of the graph in the processor's caches: what a request costs after
other work.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import cycle, islice
from statistics import median

import numpy as np

from benchmarks.made_up import ITEMS, bundle_of, lens_of, ranker_of
from benchmarks.timing import compare, seconds
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.features.assemble import Seen
from training.parity import Native

CANDIDATES, LENGTH, DAYS = 2_000, 200, 600
REQUESTS = 640  # subjects that are scored alone


def main() -> None:
    """Print milliseconds a subject and the ratio, for one history and for 64."""
    rng = np.random.default_rng(0)
    lens = lens_of(rng)
    for label, ranker in (("three networks", ranker_of(rng, 3)), ("one network", ranker_of(rng, 1))):
        scorer = Scorer(bundle_of(lens, ranker))
        candidates = np.sort(rng.choice(ITEMS, CANDIDATES, replace=False))
        for batch in (1, 64):
            sys.stdout.write(f"{label}, {batch} x {LENGTH} items, alone: {_alone(scorer, rng, batch, candidates)}\n")
            given = histories(rng, batch)
            native = partial(_native, Native(lens, ranker), scorer, given, candidates)
            result = compare(f"{label}, {batch} x {LENGTH} items", partial(scorer.score, given, candidates), native)
            sys.stdout.write(f"{result}   {result.ours / batch * 1e3:.2f} ms a subject\n")


def _alone(scorer: Scorer, rng: np.random.Generator, batch: int, candidates: np.ndarray) -> str:
    requests = [histories(rng, batch) for _ in range(10)]
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


def histories(rng: np.random.Generator, batch: int) -> ModelHistories:
    """So many made-up histories."""
    slots = np.sort(np.concatenate([np.arange(LENGTH), rng.integers(0, LENGTH, DAYS - LENGTH)]))
    trips = rng.integers(0, 100, (batch, DAYS)).astype(np.float32)
    return ModelHistories(
        np.stack([rng.choice(ITEMS, LENGTH, replace=False) for _ in range(batch)]),
        np.tile(slots, (batch, 1)),
        trips * 3,
        trips,
        np.ones((batch, DAYS), np.float32),
    )


if __name__ == "__main__":
    main()
