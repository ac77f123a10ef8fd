"""The result, put into the pieces that the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recsys.contracts.runs import Task
from recsys.evaluation.metrics import METRICS
from recsys.evaluation.report import pick, words
from recsys.evaluation.report.charts import colours, titles
from recsys.evaluation.results import Difference, RankingResult
from recsys.evaluation.segments import SEGMENTS


@dataclass(frozen=True, slots=True)
class Hits:
    """Of a full list, how many items were bought on average: precision, as a person counts."""

    model: str
    count: str
    percent: str
    colour: str
    own: bool


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
    """A row of the tables of all figures."""

    task: str
    name: str
    own: bool
    cells: tuple[str, ...]


def task_views(result: RankingResult) -> list[TaskView]:
    """The tasks that somebody could be judged on."""
    return [_task(result, task) for task in pick.tasks(result)]


def figure_rows(result: RankingResult) -> list[Row]:
    """A row a task and model: every metric, and how much of the catalogue is shown to somebody."""
    named = titles(result)
    covered = {(c.task, c.model): c.share for c in result.coverage if c.window is None}
    rows = []
    for task in pick.tasks(result):
        of_metrics = [pick.figures(result, task, metric) for metric in METRICS]
        for of_model in zip(*of_metrics, strict=True):
            model = of_model[0].model
            cells = [words.mean_and_interval(figure.estimate) for figure in of_model]
            share = f"{100 * covered[task, model]:.0f}{words.PERCENT}"
            rows.append(Row(words.TASKS[task], named[model], model == result.run.name, (*cells, share)))
    return rows


def difference_rows(result: RankingResult) -> list[Row]:
    """A row a task and baseline: the mean over the windows, the chance, and then each window."""
    named = titles(result)
    rows = []
    for task in pick.tasks(result):
        for to in pick.differences(result, task):
            windows = [
                words.change_and_interval(d.estimate)
                for d in pick.against(result, task, to.baseline)
                if d.window is not None and d.segment == "all"
            ]
            cells = (words.change_and_interval(to.estimate), words.share(to.relative), words.chance(to.holm), *windows)
            rows.append(Row(words.TASKS[task], named[to.baseline], own=False, cells=cells))
    return rows


def segment_rows(result: RankingResult) -> list[Row]:
    """A row a task and segment: how many, the candidate's NDCG, the strongest baseline's, and the difference."""
    named = titles(result)
    rows = []
    for task in pick.tasks(result):
        baseline = pick.strongest(result, task)
        differences = {d.segment: d for d in pick.against(result, task, baseline) if d.window is None}
        for segment in (name for name in SEGMENTS if name in differences):
            of_models = {figure.model: figure for figure in pick.figures(result, task, segment=segment)}
            own, other = of_models[result.run.name], of_models[baseline]
            cells = (
                f"{own.subjects:,}",
                words.mean_and_interval(own.estimate),
                f"{words.mean_and_interval(other.estimate)} ({named[baseline]})",
                words.change_and_interval(differences[segment].estimate),
            )
            rows.append(Row(words.TASKS[task], words.SEGMENTS[segment], segment == "all", cells))
    return rows


def alternatives(result: RankingResult) -> dict[str, str]:
    """What each plot shows, in words, for those who cannot see it."""
    named = titles(result)
    models, differences, windows, segments = [], [], [], []
    for task in pick.tasks(result):
        title = words.TASKS[task]
        models += [f"{title}, {named[f.model]}: {f.estimate.mean:.3f}" for f in pick.figures(result, task)]
        differences += [f"{title}, against {named[d.baseline]}: {_told(d)}" for d in pick.differences(result, task)]
        for to in pick.against(result, task, pick.strongest(result, task)):
            if to.segment == "all":
                windows.append(f"{title}, {to.window or words.MEAN}: {_told(to)}")
            if to.window is None:
                segments.append(f"{title}, {words.SEGMENTS[to.segment]}: {_told(to)}")
    metric = words.metric("ndcg", result.run.k)
    paired = f"Paired differences in {metric} with 95 % intervals"
    return {
        "models": f"Bars of mean {metric}. {'; '.join(models)}.",
        "differences": f"{paired}. {'; '.join(differences)}.",
        "windows": f"{paired} to the strongest baseline, by window. {'; '.join(windows)}.",
        "segments": f"{paired} to the strongest baseline, by segment. {'; '.join(segments)}.",
    }


def _task(result: RankingResult, task: Task) -> TaskView:
    return TaskView(
        title=words.TASKS[task],
        question=words.QUESTIONS[task],
        meaning=words.MEANINGS[task],
        subjects=pick.figures(result, task)[0].subjects,
        hits=tuple(_hits(result, task)),
        findings=tuple(_findings(result, task)),
    )


def _hits(result: RankingResult, task: Task) -> Iterator[Hits]:
    named, coloured = titles(result), colours(result)
    for figure in pick.figures(result, task, "precision"):
        mean = figure.estimate.mean
        yield Hits(
            named[figure.model],
            f"{result.run.k * mean:.1f}",
            f"{100 * mean:.1f}",
            coloured[figure.model],
            figure.model == result.run.name,
        )


def _findings(result: RankingResult, task: Task) -> Iterator[Finding]:
    """The strongest baseline first; of the others, how many are beaten, tied or not."""
    strongest = pick.strongest(result, task)
    differences = pick.differences(result, task)
    (first,) = (d for d in differences if d.baseline == strongest)
    others = [words.finding(d) for d in differences if d.baseline != strongest]
    yield Finding(
        words.finding(first),
        _sentence(first, f"{titles(result)[strongest]}, the strongest of {len(differences)} baselines"),
        f"{words.metric('ndcg', result.run.k)} {_told(first)}",
    )
    for kind, verb in (("better", "Better than"), ("unclear", "No clear difference to"), ("worse", "Worse than")):
        if count := others.count(kind):
            whom = f"all {count} others" if count == len(others) else f"{count} of the other {len(others)}"
            yield Finding(kind, f"{verb} {whom}", "after Holm's correction")


def _sentence(difference: Difference, baseline: str) -> str:
    kind = words.finding(difference)
    if kind == "unclear":
        return f"No clear difference to {baseline}"
    by = "" if difference.relative is None else f", by {abs(100 * difference.relative):.1f}{words.PERCENT}"
    return f"Ranks {kind} than {baseline}{by}"


def _told(difference: Difference) -> str:
    return words.change_and_interval(difference.estimate)
