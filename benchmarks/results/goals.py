"""The head of docs/results.md: the goals that were set, and whether the figures of the page meet them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results.freshness import Freshness
from benchmarks.results.redeemed import FLOOR, TO_BEAT, beats, reaches_floor, shipped
from recsys.contracts.runs import Task
from recsys.evaluation.offers import OffersResult
from recsys.evaluation.report import pick, words
from recsys.evaluation.results import Difference, RankingResult

GAIN: Final = 0.09  # on what is new to people, over the better of EASE and ALS
_HABITS: Final = ("gp-pop", "gp-pop-baskets")
_LEARNED: Final = ("ease", "als")
_ELSEWHERE: Final = (
    ("membership inference: AUC ≤ .53 from 1,000 subjects on", "model.md#how-it-is-learned", "The model: privacy"),
    (
        f"households never learned from: lower bound > {words.MINUS}.005",
        "model.md#people-who-were-never-learned-from",
        "The model",
    ),
    ("`fit` on Complete Journey: ≤ 6 minutes, < 3 GB", "model.md#how-it-is-learned", "The model: profiles"),
    ("scoring: ≤ 1 ms at batch 1, ≤ .7 ms a subject at batch 64", "adr/0026-planes.md", "ADR 26"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on a data set.

    Args:
        title: What the page calls it.
        ranking: What `recsys-evaluate ranking` found.
        fresh: Fresh item statistics on and off; nothing where they were not tried.
        remark: What a reader has to know of its days before any figure.
    """

    title: str
    ranking: RankingResult
    fresh: Sequence[Freshness] = ()
    remark: str = ""


def goals(first: Measured, second: Measured | None, coupons: OffersResult) -> Iterator[str]:
    """The goals as a table; what other commands measure is linked to.

    Args:
        first: The data set that most goals are about.
        second: One more; None: not measured.
        coupons: What was redeemed.
    """
    yield "\n## The goals\n"
    yield (
        "What was asked of the recipe, held against the figures of this page (NDCG@10, means of the windows); what "
        "other commands measure stands where the links lead.\n"
    )
    yield "| goal | measured | |\n|---|---|---|"
    yield _mixed(first)
    yield _novel(first)
    yield _never_worse(second)
    yield _freshness([data for data in (first, second) if data and data.fresh])
    yield from _coupons(coupons)
    for goal, page, name in _ELSEWHERE:
        yield f"| {goal} | [{name}]({page}) | see there |"


def _mixed(data: Measured) -> str:
    best = _against_best(data.ranking, "mixed", _HABITS)
    goal = f"{data.title}, mixed: above GP-Pop tuned, the interval's lower bound ≥ 0"
    if best is None:
        return _row(goal, "not measured", None)
    return _row(goal, _told(data.ranking, best), best.estimate.low >= 0)


def _novel(data: Measured) -> str:
    best = _against_best(data.ranking, "novel", _LEARNED)
    goal = (
        f"{data.title}, novel: {words.share(GAIN)} or more over the better of EASE and tuned ALS, the interval above 0"
    )
    if best is None:
        return _row(goal, "not measured", None)
    return _row(goal, _told(data.ranking, best), (best.relative or 0) >= GAIN and best.estimate.low > 0)


def _never_worse(data: Measured | None) -> str:
    """At no task, neither in the mean nor in a window, after Holm's correction."""
    goal = "a second data set: never significantly worse than the best baseline"
    if data is None:
        return _row(goal, "not measured", None)
    result = data.ranking
    all_of = [d for d in result.differences if (d.segment, d.metric) == ("all", "ndcg")]
    worse = [d for d in all_of if words.finding(d) == "worse"]
    against = (
        next(d for d in pick.differences(result, task) if d.baseline == pick.strongest(result, task))
        for task in pick.tasks(result)
    )
    told = "; ".join(f"{d.task} {_told(result, d)}" for d in against)
    said = f"significantly worse, by Holm, in {len(worse)} of {len(all_of)} comparisons, windows included"
    return _row(goal, f"{_named(data)}: {told}; {said}", not worse)


def _freshness(tried: Sequence[Measured]) -> str:
    """No bar was set: the difference is told."""
    told = "; ".join(f"{_named(data)} {words.change_and_interval(data.fresh[-1].fresh_minus_own)}" for data in tried)
    return f"| fresh item statistics, on and off | {told or 'not measured'} | no bar was set |"


def _coupons(result: OffersResult) -> Iterator[str]:
    told = words.mean_and_interval(shipped(result).ndcg)
    yield _row(f"redeemed coupons: not below {words.decimal(FLOOR, 3)}", told, reaches_floor(result))
    yield _row(f"redeemed coupons: beat {words.decimal(TO_BEAT, 3)}, of another protocol", told, beats(result))


def _against_best(result: RankingResult, task: Task, names: Sequence[str]) -> Difference | None:
    """The difference to whichever of them has the highest NDCG."""
    known = {figure.model: figure.estimate.mean for figure in pick.figures(result, task)}
    found = [difference for difference in pick.differences(result, task) if difference.baseline in names]
    return max(found, key=lambda difference: known[difference.baseline], default=None)


def _told(result: RankingResult, found: Difference) -> str:
    means = {figure.model: figure.estimate.mean for figure in pick.figures(result, found.task)}
    own, other = means[result.run.name], means[found.baseline]
    relative = f", {words.share(found.relative)}" if found.relative is not None else ""
    change = words.change_and_interval(found.estimate)
    return f"{words.decimal(own)} beside {words.decimal(other)} ({found.baseline}): {change}{relative}"


def _named(data: Measured) -> str:
    return f"{data.title} (what its days are: see there)" if data.remark else data.title


def _row(goal: str, measured: str, met: bool | None) -> str:  # noqa: FBT001 - a cell like the others
    return f"| {goal} | {measured} | {'' if met is None else '**met**' if met else '**missed**'} |"
