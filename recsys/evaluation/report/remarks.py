"""What a reader of the figures has to know before believing them."""

from __future__ import annotations

from typing import Final

from recsys.evaluation.report.words import PERCENT, TASKS
from recsys.evaluation.results import RankingResult

FEW_SUBJECTS: Final = 100  # below it a percentile interval is too narrow to be called one of 95 %
MUCH_UNKNOWN: Final = 0.1  # of the purchases in the window


def remarks(result: RankingResult) -> list[str]:
    """Sentences about this very result; none where the window is covered and there are people enough."""
    said = []
    if result.purchases.days_covered < result.horizon:
        said.append(
            f"The purchases end on {result.purchases.last_day}: they cover {result.purchases.days_covered} "
            f"of the {result.horizon} days."
        )
    if result.purchases.unknown_share > MUCH_UNKNOWN:
        said.append(
            f"The bundle does not know {100 * result.purchases.unknown_share:.0f}{PERCENT} of what was bought in the "
            "window; only the rest was judged."
        )
    for task, label in TASKS.items():
        subjects = max((figure.subjects for figure in result.figures if figure.task == task), default=0)
        if subjects == 0:
            said.append(f"Nobody could be judged on “{label.lower()}”: there is no figure for it.")
        elif subjects < FEW_SUBJECTS:
            said.append(f"Only {subjects} subjects could be judged on “{label.lower()}”: the intervals are rough.")
    return said
