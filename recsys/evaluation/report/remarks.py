"""What a reader of the figures has to know before believing them."""

from __future__ import annotations

from typing import Final

from recsys.amounts import amount
from recsys.contracts.runs import SplitKind
from recsys.evaluation.report import pick
from recsys.evaluation.report.words import PERCENT, TASKS, day
from recsys.evaluation.results import RankingResult

FEW_SUBJECTS: Final = 100  # below it a percentile interval is too narrow to be called one of 95 %
MUCH_UNKNOWN: Final = 0.1  # of the purchases in a window


def remarks(result: RankingResult) -> list[str]:
    """Sentences about this very result; none where there are windows, days and people enough."""
    return [*_windows(result), *_people(result)]


def _windows(result: RankingResult) -> list[str]:
    said = []
    if len(result.windows) == 1:
        said.append("This is one window: choose no model on it, but hold it beside others first.")
    if result.run.split is SplitKind.LAST_BASKET:
        said.append("Judged is each one's last basket in the window, not all that they bought.")
    for judged in result.windows:
        name = f"The window from {day(judged.window.as_of)}"
        if judged.days_covered < judged.window.horizon:
            said.append(
                f"{name}: the purchases end on {result.purchases.last_day}; they cover {judged.days_covered} "
                f"of the {judged.window.horizon} days."
            )
        if judged.unknown_share > MUCH_UNKNOWN:
            said.append(
                f"{name}: the models do not know {100 * judged.unknown_share:.0f}{PERCENT} of what was bought; "
                "only the rest was judged."
            )
    return said


def _people(result: RankingResult) -> list[str]:
    said = []
    able = pick.tasks(result)
    for task, label in TASKS.items():
        if task not in able:
            said.append(f"Too few could be judged on “{label.lower()}”: there is no figure for it.")
        elif (subjects := pick.figures(result, task)[0].subjects) < FEW_SUBJECTS:
            said.append(
                f"Only {amount(subjects, 'subject')} could be judged on “{label.lower()}”: the intervals are rough."
            )
    return said
