"""Scores of wide offers: `python -m benchmarks.pooling`.

Held against the simplest rule that looks at scores and histories, the largest score plus the logarithm of the past
purchase days that an offer covers. Coupons over 140 of 20,000 products, as in Complete Journey, and over 2,000 of
60,000; 60 products a model item; 600 purchase days a subject.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import compare
from recsys.candidate_map import CandidateMap
from recsys.history import Histories
from recsys.pooling import coverage, decayed, pool
from recsys.ragged import Ragged

TODAY, ROWS, EACH = 20_000, 600, 60
CASES = ((600, 140, 20_000), (1_000, 2_000, 60_000))
BATCHES = (1, 64, 256)


def main() -> None:
    """Print milliseconds of a batch, and how many times as fast as the simplest rule it is."""
    rng = np.random.default_rng(0)
    for offered, wide, items in CASES:
        listed = Ragged.of(np.unique(rng.integers(0, items, wide)) for _ in range(offered))
        codes = (np.arange(items) // EACH).astype(np.int32)
        offers = CandidateMap.from_items(listed, codes, np.full(items, 1 / EACH))
        covering = listed.transposed(items)
        for people in BATCHES:
            known = _histories(rng, people, items)
            scores = rng.random((people, len(offers.candidates)), np.float32)
            label = f"{people} x {offered:,} offers of {wide:,} items"
            ours = partial(_ours, scores, known, offers)
            sys.stdout.write(f"{compare(label, ours, partial(_simplest, scores, known, offers, covering))}\n")


def _ours(scores: NDArray[np.float32], known: Histories, offers: CandidateMap) -> NDArray[np.float32]:
    return pool(scores, coverage(known, offers, TODAY), offers)


def _simplest(
    scores: NDArray[np.float32], known: Histories, offers: CandidateMap, covering: Ragged
) -> NDArray[np.float32]:
    size = len(offers.of_offer)
    return offers.of_offer.max_of(scores) + np.log1p(decayed(known, covering, TODAY, size))


def _histories(rng: np.random.Generator, people: int, items: int) -> Histories:
    rows = people * ROWS
    once = np.ones(rows)
    return Histories(
        tuple(map(str, range(people))),
        np.arange(people + 1) * ROWS,
        rng.integers(0, items, rows).astype(np.int32),
        (TODAY - rng.integers(1, 365, rows)).astype(np.int32),
        once.astype(np.float32),
        once.astype(np.int32),
    )


if __name__ == "__main__":
    main()
