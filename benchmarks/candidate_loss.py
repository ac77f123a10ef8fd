"""What ranking candidates instead of a whole large catalogue loses: `python -m benchmarks.candidate_loss`.

Complete Journey's products, some 20,000 that five households bought: candidates as `recsys.evaluation.recall` chooses
them (history, the factorization's best 200, the 50 most popular of a month and of a day) against everything.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.study import Study, features, log_odds
from recsys.contracts.manifest import Level
from training.sampling import candidates_of


def main() -> None:
    """Print NDCG@10 of both, and how many candidates a person has."""
    study = Study.of(Level.ITEM, learned=200, judged=320)
    ranker, there = study.ranker(), study.there()
    scores, chosen = [], []
    for seen in study.seen():
        scores.append(log_odds(ranker, features(seen), seen).astype(np.float32))
        chosen.append(candidates_of(seen, seen.slots[:, :-1] >= 0, there))
    everything, candidates = np.concatenate(scores), np.concatenate(chosen)
    few = np.where(candidates, everything, -np.inf)
    sys.stdout.write("| ranked | items a person | mixed | novel |\n|---|---|---|---|\n")
    for label, values, count in (
        ("everything", everything, float(there.sum())),
        ("candidates", few, candidates.sum(axis=1).mean()),
    ):
        found = study.judge(values)
        sys.stdout.write(f"| {label} | {count:,.0f} | {found.mixed:.4f} | {found.novel:.4f} |\n")


if __name__ == "__main__":
    main()
