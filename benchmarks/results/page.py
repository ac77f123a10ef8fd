"""docs/results.md, from what `recsys-evaluate ranking` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.results.goals import Measured, goals
from benchmarks.results.redeemed import coupon_section
from recsys.contracts.runs import RunModel, SplitKind, Task
from recsys.evaluation.offers import OffersResult
from recsys.evaluation.report import pick, words
from recsys.evaluation.report.charts import titles
from recsys.evaluation.results import RankingResult
from recsys.evaluation.segments import SEGMENTS

_HEAD = """# Results

Made by `make results` (`python -m benchmarks.results`), which fits the recipe as `recsys-train fit` does and every
baseline again before each window, and judges the lists with `recsys-evaluate ranking --runs`. No figure of a table is
written by hand.

NDCG@10 over everyone who had bought before, mean of the windows, with its 95 % interval by bootstrap over subjects (a
subject with all of their windows). *Minus it*: what the recipe gains on a baseline, paired; p is corrected by Holm over
all baselines and tasks. A baseline may have other settings at each task and in each window, whichever were best on the
days before it; the recipe is one model. Item statistics and factors know nothing of a window; nor do settings.
Intervals of segments and of single windows are not corrected for having looked at several. New customers are judged
with what they would be shown: what sells these days.

Judging alone, once lists exist, is timed by `python -m benchmarks.judging` (docs/adr/0019-judged-as-shown.md)."""


def page(first: Measured, second: Measured | None, coupons: OffersResult, note: str = "") -> str:
    """The whole page; the note stands before the figures.

    Args:
        first: The data set that most goals are about.
        second: One more, if it was measured.
        coupons: What was redeemed.
        note: What a reader has to know about this run.
    """
    measured = [data for data in (first, second) if data is not None]
    parts = [
        _HEAD,
        *([f"\n**{note}**"] if note else []),
        *goals(first, second, coupons),
        *(line for data in measured for line in _of(data)),
        *(line for data in measured if data.fresh for line in _fresh(data)),
        *coupon_section(coupons),
    ]
    return "\n".join(parts) + "\n"


def _of(data: Measured) -> Iterator[str]:
    result = data.ranking
    run, windows = result.run, [judged.window for judged in result.windows]
    kind = "all that was bought in it" if run.split is SplitKind.TIME else "each one's last basket in it"
    yield f"\n## {data.title}\n"
    yield from _remark(data)
    yield (
        f"{len(windows)} windows of {windows[0].horizon} days, the first from {windows[0].as_of}, the last from "
        f"{windows[-1].as_of}; targets: {kind}. {result.purchases.lines:,} lines, level {run.level.value}, "
        f"{result.windows[-1].items:,} model items in the last window. {run.candidate.capitalize()}."
    )
    yield f"\n{_trials(run.models)}"
    for task in pick.tasks(result):
        yield from _task(result, task)
    yield from _windows(result)
    yield from _segments(result)
    yield from _beyond(result)


def _trials(models: Sequence[RunModel]) -> str:
    """How many settings each chose among; most baselines have the same number."""
    tried = "; ".join(f"{model.name} {model.trials}" for model in models if model.trials)
    none = ", ".join(model.name for model in models if not model.trials)
    return f"Settings that were tried before each window: {tried or 'none'}." + (
        f" Nothing was chosen for {none}." if none else ""
    )


def _task(result: RankingResult, task: Task) -> Iterator[str]:
    figures = pick.figures(result, task)
    differences = {difference.baseline: difference for difference in pick.differences(result, task)}
    yield f"\n### {task}: {words.TASKS[task].lower()} ({figures[0].subjects:,} subjects)\n"
    yield "| model | NDCG@10 | recipe minus it | relative | p, Holm |\n|---|---|---|---|---|"
    for figure in figures:
        to = differences.get(figure.model)
        cells = ("", "", "")
        if to is not None:
            cells = (words.change_and_interval(to.estimate), words.share(to.relative), words.chance(to.holm))
        mean = words.mean_and_interval(figure.estimate)
        name, mean = (f"**{figure.model}**", f"**{mean}**") if to is None else (figure.model, mean)
        yield f"| {name} | {mean} | {' | '.join(cells)} |"


def _windows(result: RankingResult) -> Iterator[str]:
    names = [judged.window.name for judged in result.windows]
    yield "\n### Window by window, against the strongest baseline\n"
    yield f"| task | baseline | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}"
    for task in pick.tasks(result):
        baseline = pick.strongest(result, task)
        found = {d.window: d for d in pick.against(result, task, baseline) if d.segment == "all"}
        cells = (words.change_and_interval(found[name].estimate) if name in found else "" for name in names)
        yield f"| {task} | {baseline} | {' | '.join(cells)} |"


def _segments(result: RankingResult) -> Iterator[str]:
    yield "\n### By segment, against the strongest baseline\n"
    yield "| task | segment | subjects | recipe | baseline | difference |\n|---|---|---|---|---|---|"
    for task in pick.tasks(result):
        baseline = pick.strongest(result, task)
        found = {d.segment: d for d in pick.against(result, task, baseline) if d.window is None}
        for segment in (name for name in SEGMENTS if name in found and name != "all"):
            means = {f.model: f for f in pick.figures(result, task, segment=segment)}
            own, other = means[result.run.name], means[baseline]
            cells = (
                *(task, words.SEGMENTS[segment], f"{own.subjects:,}"),
                *(words.decimal(own.estimate.mean), f"{words.decimal(other.estimate.mean)} ({baseline})"),
                words.change_and_interval(found[segment].estimate),
            )
            yield f"| {' | '.join(cells)} |"


def _beyond(result: RankingResult) -> Iterator[str]:
    """What the lists are like: means without a claim to be better."""
    covered = {(c.task, c.model): c.share for c in result.coverage if c.window is None}
    metrics = ("recall", "precision", "map", "novelty", "popularity_bias")
    names = " | ".join(words.metric(name, result.run.k) for name in metrics)
    yield "\n### Other figures, means of the windows\n"
    yield f"| task | model | {names} | coverage |\n|---|---|{'---|' * (len(metrics) + 1)}"
    for task in pick.tasks(result):
        for of_model in zip(*(pick.figures(result, task, metric) for metric in metrics), strict=True):
            name = of_model[0].model
            cells = [
                f"{f.estimate.mean:.2f}" if f.metric == "novelty" else words.decimal(f.estimate.mean) for f in of_model
            ]
            yield f"| {task} | {name} | {' | '.join(cells)} | {100 * covered[task, name]:.0f} % |"
    yield f"\nWhat the models are called on the page of a ranking: {_titles(result)}."
    (recipe,) = (model for model in result.run.models if model.role == "candidate")
    yield f"\nThe recipe's settings in the last window: {list(recipe.settings.values())[-1]}."


def _fresh(data: Measured) -> Iterator[str]:
    """The same bundle with two sets of statistics."""
    yield f"\n## Fresh item statistics, on and off ({data.title})\n"
    yield from _remark(data)
    yield (
        "In the tables above a recipe is fitted right before each window, so that its own item statistics are fresh. "
        "Here one bundle is fitted before the first window and never again, and judged on all of them (NDCG@10, "
        "everything bought): with its own statistics, ever older, and with those that `recsys-train statistics` would "
        "count on each window's first day. Items newer than the bundle are not judged.\n"
    )
    yield "| window | subjects | its own | fresh | fresh minus its own |\n|---|---|---|---|---|"
    for figure in data.fresh:
        cells = (words.mean_and_interval(figure.own), words.mean_and_interval(figure.fresh))
        change, name = words.change_and_interval(figure.fresh_minus_own), figure.window or "all"
        yield f"| {name} | {figure.subjects:,} | {' | '.join(cells)} | {change} |"


def _remark(data: Measured) -> Iterator[str]:
    if data.remark:
        yield f"{data.remark}\n"


def _titles(result: RankingResult) -> str:
    return "; ".join(f"{name}: *{title}*" for name, title in titles(result).items())
