"""The figures on the terminal; no table is wider than 80 columns."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from recsys.evaluation.comparison import Task
from recsys.evaluation.report.words import (
    METRICS,
    PERCENT,
    TASKS,
    TERMS,
    change_and_interval,
    mean_and_interval,
    signed,
)
from recsys.evaluation.results import BUNDLE, Difference, Figure, RankingResult


def ranking_tables(result: RankingResult) -> list[Table]:
    """The models' figures, a table a task, and the bundle's paired differences to its baselines."""
    of_tasks = {task: [figure for figure in result.figures if figure.task == task] for task in TASKS}
    return [*(_figures(task, figures) for task, figures in of_tasks.items() if figures), _differences(result)]


def _figures(task: Task, figures: list[Figure]) -> Table:
    table = _table(
        f"{task}: {TASKS[task].lower()} · {figures[0].subjects:,} subjects · mean [95 % interval]",
        ("model", *METRICS.values()),
    )
    for model in dict.fromkeys(figure.model for figure in figures):
        of_model = {figure.metric: figure.estimate for figure in figures if figure.model == model}
        cells = (mean_and_interval(of_model[metric]) for metric in METRICS)
        table.add_row(TERMS[model], *cells, style="bold" if model == BUNDLE else "")
    return table


def _differences(result: RankingResult) -> Table:
    table = _table(
        "the bundle minus a baseline, subject by subject [95 % interval]",
        ("task", "baseline", METRICS["ndcg"], "relative"),
    )
    for difference in result.differences:
        if difference.metric == "ndcg":
            table.add_row(*_difference(difference))
    return table


def _difference(difference: Difference) -> tuple[str, str, str, str]:
    relative = "" if difference.relative is None else f"{signed(100 * difference.relative, 1)}{PERCENT}"
    return difference.task, TERMS[difference.baseline], change_and_interval(difference.estimate), relative


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="italic")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
