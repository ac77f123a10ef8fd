"""What judging found, as part of a card: figures with intervals beside every baseline, and where the bundle is weak."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.contracts.runs import Task
from recsys.evaluation.report import pick, words
from recsys.evaluation.results import RankingResult


def judged(result: RankingResult) -> str:
    """Markdown."""
    return "\n".join([*_quality(result), *_weak(result)])


def _quality(result: RankingResult) -> Iterator[str]:
    names = ", ".join(judged.window.name for judged in result.windows)
    yield "## Judged\n"
    yield (
        f"On {len(result.windows)} window{'s' if len(result.windows) > 1 else ''} of "
        f"{result.windows[0].window.horizon} days ({names}) by `recsys-evaluate ranking`, on purchases with the "
        f"fingerprint `{result.purchases.fingerprint}`. {words.metric('ndcg', result.run.k)} with its 95 % interval; "
        "differences are paired, p is corrected by Holm."
    )
    for task in pick.tasks(result):
        yield from _task(result, task)


def _task(result: RankingResult, task: Task) -> Iterator[str]:
    figures = pick.figures(result, task)
    differences = {difference.baseline: difference for difference in pick.differences(result, task)}
    yield f"\n**{words.TASKS[task]}** ({task}; {figures[0].subjects:,} subjects)\n"
    yield f"| | {words.metric('ndcg', result.run.k)} | this bundle minus it | p |\n|---|---|---|---|"
    for figure in figures:
        to = differences.get(figure.model)
        cells = ("", "") if to is None else (words.change_and_interval(to.estimate), words.chance(to.holm))
        name = "**this bundle**" if to is None else figure.model
        yield f"| {name} | {words.mean_and_interval(figure.estimate)} | {' | '.join(cells)} |"


def _weak(result: RankingResult) -> Iterator[str]:
    """Tasks and segments in which the strongest baseline ranks better, or as well for all that is known."""
    yield "\n## Where it is weak\n"
    lines = []
    for task in pick.tasks(result):
        baseline = pick.strongest(result, task)
        for to in pick.against(result, task, baseline):
            finding = words.finding(to)
            if to.window is None and finding != "better":
                verb = "ranks worse than" if finding == "worse" else "is not clearly better than"
                where = f"{words.TASKS[task].lower()}, {words.SEGMENTS[to.segment]}"
                told = f"{words.change_and_interval(to.estimate)}, {to.subjects:,} subjects"
                lines.append(f"- {where}: {verb} {baseline} ({told})")
    yield "\n".join(lines) or "Nowhere that was looked at: it beats the strongest baseline in every segment and task."
