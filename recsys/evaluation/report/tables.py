"""The figures on the terminal; no table is wider than 80 columns."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from recsys.contracts.runs import Task
from recsys.evaluation.report import pick, words
from recsys.evaluation.results import RankingResult


def ranking_tables(result: RankingResult) -> list[Table]:
    """For each task the models' NDCG and the candidate's paired differences; then window by window."""
    of_tasks = [_models(result, task) for task in pick.tasks(result)]
    return [*of_tasks, *([_windows(result)] if len(result.windows) > 1 else [])]


def _models(result: RankingResult, task: Task) -> Table:
    figures = pick.figures(result, task)
    windows = f"{len(result.windows)} windows" if len(result.windows) > 1 else "1 window"
    metric = words.metric("ndcg", result.run.k)
    table = _table(
        f"{task}: {words.TASKS[task].lower()} · {figures[0].subjects:,} subjects, {windows}",
        ("model", f"{metric} [95 %]", f"{result.run.name} minus it [95 %]", "p, Holm"),
    )
    differences = {difference.baseline: difference for difference in pick.differences(result, task)}
    for figure in figures:
        cells = [escape(figure.model), words.mean_and_interval(figure.estimate), "", ""]
        if figure.model in differences:
            to = differences[figure.model]
            cells[2:] = [words.change_and_interval(to.estimate), words.chance(to.holm)]
        table.add_row(*cells, style="bold" if figure.model == result.run.name else "")
    return table


def _windows(result: RankingResult) -> Table:
    """Each window beside the others: against the strongest baseline of each task."""
    table = _table("the same, window by window, against the strongest baseline", ("task", "window", "baseline", "NDCG"))
    for task in pick.tasks(result):
        baseline = pick.strongest(result, task)
        for difference in pick.against(result, task, baseline):
            if difference.segment == "all":
                name = difference.window or words.MEAN
                table.add_row(task, name, escape(baseline), words.change_and_interval(difference.estimate))
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="italic", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
