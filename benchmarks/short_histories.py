"""How well newcomers and very long histories are ranked: `python -m benchmarks.short_histories`, about two minutes.

The same people are ranked as if only their newest purchases (an item on a day) were known, and by popularity. What
they really bought before is left out of the novel lists either way. Of the longest tenth, the newest 500 and 1,000 are
held against the whole: a history is bounded by its newest 4,096 purchase days (`recsys.history.MAX_ROWS`).
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np

from benchmarks.study import Study
from recsys.item_table import ITEM_FEATURES
from training.judging import Quality
from training.ranker import Ranker

SHORT: Final = (0, 1, 2, 5, 20, None)
LONG: Final = (500, 1_000, None)
_POPULARITY: Final = ITEM_FEATURES.index("log share, popularity_30d")


def main() -> None:
    """Print both tables."""
    study = Study.of()
    report(study, study.taught())


def report(study: Study, ranker: Ranker) -> None:
    """The tables of a ranker."""
    sys.stdout.write("| known | mixed | novel |\n|---|---|---|\n")
    popular = study.world.items(study.judged.start)[:, _POPULARITY]
    _say("nothing: popularity", study.judge(np.tile(popular, (len(study.judged), 1))))
    for newest in SHORT:
        label = "everything" if newest is None else f"{newest} purchases"
        _say(label, study.judge(study.scores(ranker, newest)))
    record = study.world.record
    lengths = np.diff(record.until(study.judged.subject, study.judged.day).offsets)
    least = int(np.quantile(lengths, 0.9))
    some = np.flatnonzero(lengths >= least)
    for newest in LONG:
        label = "everything" if newest is None else f"the newest {newest:,}"
        scores = study.scores(ranker, newest)[some]
        _say(f"of {len(some)} people with {least:,} to {lengths.max():,} purchases: {label}", study.judge(scores, some))


def _say(label: str, found: Quality) -> None:
    sys.stdout.write(f"| {label} | {found.mixed:.4f} | {found.novel:.4f} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
