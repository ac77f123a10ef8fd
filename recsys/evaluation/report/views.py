"""The result, put into the pieces that the page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recsys.evaluation.comparison import Task
from recsys.evaluation.report import words
from recsys.evaluation.report.charts import COLOURS
from recsys.evaluation.results import BUNDLE, Difference, Figure, RankingResult


@dataclass(frozen=True, slots=True)
class Hits:
    """Of a full list, how many items were bought on average: precision, as a person counts."""

    model: str
    count: str
    percent: str
    colour: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a paired difference shows, the sentence that says so, and the figures behind it."""

    kind: str
    sentence: str
    figures: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task."""

    title: str
    question: str
    meaning: str
    subjects: int
    hits: tuple[Hits, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the tables of all figures: one cell a metric."""

    task: str
    model: str
    own: bool
    cells: tuple[str, ...]


def task_views(result: RankingResult) -> list[TaskView]:
    """The tasks that somebody could be judged on."""
    judged = {figure.task for figure in result.figures}
    return [_task(result, task) for task in words.TASKS if task in judged]


def figure_rows(result: RankingResult) -> list[Row]:
    """A row a task and model."""
    return _rows((figure.task, figure.model, words.mean_and_interval(figure.estimate)) for figure in result.figures)


def difference_rows(result: RankingResult) -> list[Row]:
    """A row a task and baseline."""
    return _rows(
        (difference.task, difference.baseline, words.change_and_interval(difference.estimate))
        for difference in result.differences
    )


def alternatives(result: RankingResult) -> dict[str, str]:
    """What each plot shows, in words, for those who cannot see it."""
    models, differences, history = [], [], []
    for task, title in words.TASKS.items():
        models += [
            f"{title}, {words.MODELS[figure.model]}: {figure.estimate.mean:.3f}"
            for figure in result.figures
            if (figure.task, figure.metric) == (task, "ndcg")
        ]
        differences += [
            f"{title}, against {words.MODELS[difference.baseline]}: {words.change_and_interval(difference.estimate)}"
            for difference in result.differences
            if (difference.task, difference.metric) == (task, "ndcg")
        ]
        history += [
            f"{title}, {group.from_days} to {group.to_days} shopping days, {words.MODELS[group.model]}: "
            f"{group.estimate.mean:.3f}"
            for group in result.by_history
            if group.task == task
        ]
    return {
        "models": f"Bars of mean NDCG@10. {'; '.join(models)}.",
        "differences": f"Paired differences in NDCG@10 with 95 % intervals. {'; '.join(differences)}.",
        "history": f"Mean NDCG@10 by length of history. {'; '.join(history)}.",
    }


def _task(result: RankingResult, task: Task) -> TaskView:
    figures = [figure for figure in result.figures if figure.task == task]
    return TaskView(
        title=words.TASKS[task],
        question=words.QUESTIONS[task].format(days=result.horizon),
        meaning=words.MEANINGS[task],
        subjects=figures[0].subjects,
        hits=tuple(_hits(figure, result.k) for figure in figures if figure.metric == "precision"),
        findings=tuple(
            _finding(difference)
            for difference in result.differences
            if (difference.task, difference.metric) == (task, "ndcg")
        ),
    )


def _hits(figure: Figure, k: int) -> Hits:
    mean = figure.estimate.mean
    return Hits(words.MODELS[figure.model], f"{k * mean:.1f}", f"{100 * mean:.1f}", COLOURS[figure.model])


def _finding(difference: Difference) -> Finding:
    kind = words.finding(difference.estimate)
    baseline = words.MODELS[difference.baseline]
    by = "" if difference.relative is None else f", by {abs(100 * difference.relative):.1f}{words.PERCENT}"
    sentence = f"No clear difference to {baseline}" if kind == "unclear" else f"Ranks {kind} than {baseline}{by}"
    return Finding(kind, sentence, f"NDCG@10 {words.change_and_interval(difference.estimate)}")


def _rows(cells: Iterable[tuple[Task, str, str]]) -> list[Row]:
    by_row: dict[tuple[Task, str], list[str]] = {}
    for task, model, cell in cells:
        by_row.setdefault((task, model), []).append(cell)
    return [
        Row(words.TASKS[task], words.MODELS[model], model == BUNDLE, tuple(of_row))
        for (task, model), of_row in by_row.items()
    ]
