"""What factors of a byte instead of four change: `python -m benchmarks.rounding`, some minutes (docs/adr/0035).

First size and speed, of a made-up model of the default size, both graphs in turn in one process: each after another
request, or after a pass over 64 MB that empties the processor's caches. Then lists, of Complete Journey by type and by
item, with the ranker and by the factorization alone: how much of the best 20 of all items stays, and NDCG@10, paired.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from benchmarks.made_up import ITEMS, STEPS, bundle_of, lens_of, ranker_of
from benchmarks.scorer import CANDIDATES, histories
from benchmarks.study import Study, paired, scored
from benchmarks.timing import seconds
from recsys.bundle import Bundle
from recsys.contracts.manifest import Level
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.graph.assemble import assemble
from training.judging import by_subject
from training.parity import Native
from training.rounding import overlap, rounded

REQUESTS, LEARNED, JUDGED = 300, 400, 600
SHARES: Final = (0, 10, 50)  # percentiles


def main() -> None:
    """Print both."""
    speed()
    for level in (Level.TYPE, Level.ITEM):
        lists(level)


def speed() -> None:
    """Bytes, and processor time a subject."""
    rng = np.random.default_rng(0)
    lens, ranker = lens_of(rng), ranker_of(rng, 1)
    bundles = _both(bundle_of(lens, ranker), Native(lens, ranker))
    scorers = [Scorer(bundle) for bundle in bundles]
    sys.stdout.write(f"bytes: {' and '.join(f'{len(bundle.model):,}' for bundle in bundles)}\n")
    candidates, emptied = np.sort(rng.choice(ITEMS, CANDIDATES, replace=False)), np.zeros(8_000_000)
    for batch, empty in ((1, False), (1, True), (64, False)):
        times: list[list[float]] = [[], []]
        for _ in range(REQUESTS // batch + 20):
            one, other = histories(rng, batch), histories(rng, batch)
            for scorer, spent in zip(scorers, times, strict=True):
                if empty:
                    np.add(emptied, 1, out=emptied)
                else:
                    scorer.score(other, candidates)
                spent.append(seconds(partial(scorer.score, one, candidates)) / batch)
        told = (" / ".join(f"{time * 1e6:,.0f}" for time in np.percentile(spent, SHARES)) for spent in times)
        sys.stdout.write(f"batch {batch}{', caches emptied' if empty else ''}: {' and '.join(told)} µs\n")


def lists(level: Level) -> None:
    """Rows of a table."""
    study = Study.of(level, learned=LEARNED, judged=JUDGED)
    ranker = study.taught()
    draft = study.served(ranker).bundle
    given = study.world.histories(study.judged.subject, study.judged.day)
    for label, kept in (("ranker", ranker), ("factorization alone", None)):
        pair = _both(draft, Native(study.lens, kept))
        sys.stdout.write(f"{level.value}, {label}: {len(draft.vocabulary):,} items, {overlap(*pair, given):.4f}\n")
        found = [by_subject(scored(study.world, study.judged, _all(each, given), study.there())) for each in pair]
        for task, exact, small in zip(("mixed", "novel"), *found, strict=True):
            sys.stdout.write(f"| {task}, {len(exact)} households | {paired(exact, small)} |\n")


def _both(draft: Bundle, native: Native) -> tuple[Bundle, Bundle]:
    """With factors as they are, and rounded."""
    exact, small = (assemble(each.lens, each.ranker, steps=STEPS) for each in (native, rounded(native)))
    return replace(draft, model=exact), replace(draft, model=small)


def _all(bundle: Bundle, given: ModelHistories) -> np.ndarray:
    return Scorer(bundle).score(given, np.arange(len(bundle.vocabulary)))


if __name__ == "__main__":
    main()
