"""What ranking only candidates loses against ranking everything: `python -m benchmarks.candidates`, a few minutes.

Complete Journey by item, more of them than are ranked at once (`recsys.evaluation.candidates.EVERYTHING`). The same
graph scores either way: what is lost is what the candidates leave out.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np

from benchmarks.study import Study, paired, scored
from recsys.contracts.manifest import Level
from recsys.evaluation.candidates import candidate_scores
from training.judging import by_subject

LEARNED: Final = 400  # households of each window
JUDGED: Final = 600


def main() -> None:
    """Print the table."""
    study = Study.of(Level.ITEM, learned=LEARNED, judged=JUDGED)
    scorer, judged = study.served(study.taught()), study.judged
    histories = study.world.histories(judged.subject, judged.day)
    found = {}
    for everything in (True, False):
        scores = candidate_scores(scorer, histories, everything=everything)
        ranked = np.isfinite(scores).sum(axis=1).mean()
        sys.stdout.write(f"{'everything' if everything else 'candidates'}: {ranked:,.0f} items a household\n")
        found[everything] = by_subject(scored(study.world, judged, scores, study.there()))
    sys.stdout.write("| | everything | candidates | candidates minus everything | |\n|---|---|---|---|---|\n")
    for task, whole, some in zip(("mixed", "novel"), found[True], found[False], strict=True):
        sys.stdout.write(f"| {task}, {len(whole)} households | {paired(whole, some)} |\n")


if __name__ == "__main__":
    main()
