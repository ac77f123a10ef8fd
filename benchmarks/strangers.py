"""Households that were never learned from, against the same when they are: `python -m benchmarks.strangers`.

Two models, each learned from a half of the households of Complete Journey and from nothing else: factors, item
statistics, network. Each household is ranked by the one that knows it and by the one that does not, which folds its
history in. So both sides have as much to learn from, and what one model is better at cancels out over the halves.

The recipe is that of `benchmarks.study` with more examples; everyone with a history who bought something is judged.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.study import END, Bought, Study, paired, scored
from recsys.contracts.manifest import Level
from recsys.history import day_number
from recsys.model_histories import ModelHistories
from training.judging import by_subject
from training.windows import examples_of

LEARNED: Final = 1_250  # households of each window: all of a half


def main() -> None:
    """Print the table."""
    bought = Bought.at(Level.TYPE)
    everyone = bought.world()
    judged = examples_of(everyone.record, day_number(END))[-1]
    names = bought.daily["subject"].unique().sort()
    first = np.random.default_rng(0).permutation(len(names)) < len(names) // 2
    histories = everyone.histories(judged.subject, judged.day)
    there = np.ones(len(bought.vocabulary), np.bool_)
    scores = []
    for half in (first, ~first):
        study = Study.on(bought.world(names.filter(half)), learned=LEARNED)
        there &= study.there()
        scores.append(_scores(study, histories))
    knows = first[judged.subject][:, None]
    trained_in, folded_in = (
        by_subject(scored(everyone, judged, np.where(side, *scores), there)) for side in (knows, ~knows)
    )
    sys.stdout.write("| | learned from | never | never minus learned from | |\n|---|---|---|---|---|\n")
    for task, one, other in zip(("mixed", "novel"), trained_in, folded_in, strict=True):
        sys.stdout.write(f"| {task}, {len(one):,} households | {paired(one, other)} |\n")


def _scores(study: Study, histories: ModelHistories) -> NDArray[np.float32]:
    """float32 [E, M], by the graph that a fit would write."""
    return study.served(study.taught()).score(histories, np.arange(len(study.world.record.vocabulary)))


if __name__ == "__main__":
    main()
