"""Fairness, for a person."""

from __future__ import annotations

from typing import Final

from recsys.evaluation.intervals import LEVEL, RESAMPLES, Estimate
from recsys.evaluation.policy_lab.fairness_results import FairnessResult, GroupResult
from recsys.evaluation.policy_lab.groups import SMALLEST
from recsys.evaluation.policy_lab.pages.charts import forest
from recsys.evaluation.policy_lab.pages.replay_page import ABOUT_METRICS
from recsys.evaluation.policy_lab.pages.views import (
    Plot,
    Report,
    Section,
    Table,
    change,
    count,
    number,
    percent,
    plain,
    spoken,
    words,
)
from recsys.evaluation.policy_lab.segments import kinds_in_order
from recsys.evaluation.report.words import PERCENT, chance, day

_NAMES: Final = {
    "ndcg": "NDCG",
    "beyond": "beyond chance",
    "effect": "policy's effect",
    "own": "own full list",
    "withheld": "withheld",
}


def fairness_report(result: FairnessResult) -> Report:
    """The page and its tables."""
    asked = result.asked
    return Report(
        title="Does the policy serve one group worse than another?",
        lead=f"{result.policy_version} on {day(asked.as_of)}: {asked.subjects:,} shoppers who agreed to "
        f"{asked.channel} and whose demographics are known, {asked.offers:,} offers, lists of {asked.k}",
        care=_care(result),
        sections=(_quality(result), _service(result), _gaps(result), _segments(result)),
        facts=(
            (
                "Demographics are an evaluation set: they are looked up here, after the lists are made. No "
                "ranking, no guard and no service can read them, and a test holds that. " + ABOUT_METRICS
            ),
            (
                f"Bundle {asked.bundle}. Intervals: 95{PERCENT}, percentile bootstrap over shoppers, {RESAMPLES:,} "
                f"resamples, seed {asked.seed}; a group and the rest are drawn together. Own full list is a share: "
                "Wilson's and Newcombe's intervals, Fisher's exact test. Variety: different offers "
                f"that {SMALLEST} members, drawn with replacement, are shown. The policy's effect: beyond chance, the "
                "policy minus no rule."
            ),
        ),
    )


def _care(result: FairnessResult) -> tuple[str, ...]:
    tested = sum(len(group.figures) for group in result.groups)
    remarks = [
        (
            f"Of {tested} intervals of 95{PERCENT}, one in twenty misses by chance. A gap counts where it is left "
            "after Holm's correction for having looked so often."
        ),
        (
            "A group that buys less is easier or harder to please for reasons that no policy made. What the policy "
            "does to a group is its effect and what it withholds."
        ),
        f"Judged are {result.asked.judged:,} shoppers: those who bought something that an offer covers.",
    ]
    if result.too_small:
        remarks.append(f"Not told about, with fewer than {SMALLEST} members: {words(map(spoken, result.too_small))}.")
    return tuple(remarks)


def _quality(result: FairnessResult) -> Section:
    rows = tuple(
        (
            _label(group),
            count(group.judged),
            *(plain(group.figures[name].estimate) for name in ("ndcg", "beyond")),
            change(group.figures["effect"].estimate, 3),
        )
        for group in result.groups
    )
    return Section(
        title="Quality",
        tables=(
            Table(
                "fairness-quality",
                "Quality of the lists, and what the policy does to it",
                ("group", "judged", "NDCG", "beyond chance", "policy's effect"),
                rows,
            ),
        ),
    )


def _service(result: FairnessResult) -> Section:
    rows = tuple(
        (
            _label(group),
            count(group.subjects),
            percent(group.figures["own"].estimate),
            percent(group.figures["withheld"].estimate),
            number(group.variety, 0),
        )
        for group in result.groups
    )
    return Section(
        title="Coverage and what is withheld",
        text=(
            (
                "Own full list: the share with a full list by their own scores. Withheld: of the offers that could "
                "be sent, the share that the policy withholds."
            ),
        ),
        tables=(
            Table(
                "fairness-service",
                "Coverage, withheld share and variety",
                ("group", "shoppers", "own full list, %", "withheld, %", "variety"),
                rows,
            ),
        ),
    )


def _gaps(result: FairnessResult) -> Section:
    every = [(group, name, measured) for group in result.groups for name, measured in group.figures.items()]
    clear = [one for one in every if one[2].gap.low > 0 or one[2].gap.high < 0]
    left = [one for one in clear if one[2].holm < 1 - LEVEL]
    rows = tuple(
        (_label(group), _NAMES[name], change(measured.gap, 3), chance(measured.holm))
        for group, name, measured in sorted(clear, key=lambda one: one[2].holm)
    )
    plots = tuple(
        Plot(
            forest(rows_, f"{name}: the group minus everyone else"),
            "; ".join(f"{row['label']}: {row['mean']:+.3f}" for row in rows_),
            f"{name}: the group minus everyone else, with 95{PERCENT} intervals, before any correction.",
        )
        for key, name in _NAMES.items()
        if (rows_ := [{"label": _label(group), **_span(group.figures[key].gap)} for group in result.groups])
    )
    columns = ("group", "figure", "minus the rest", "p, Holm")
    return Section(
        title="Where groups differ",
        text=(
            (
                f"{len(clear)} of {len(every)} gaps exclude zero on their own; after Holm's correction for all of them "
                f"{len(left)} are left (p below {1 - LEVEL:.2f})."
            ),
        ),
        tables=(Table("fairness-gaps", "Gaps that exclude zero, the surest first", columns, rows),) if clear else (),
        plots=plots,
    )


def _segments(result: FairnessResult) -> Section:
    rows = tuple(
        (
            spoken(one.segments),
            one.kind,
            count(one.number),
            plain(one.beyond),
            change(one.beyond_gain, 3),
            change(one.ndcg_gain, 3),
        )
        for one in kinds_in_order(result.segments)
    )
    return Section(
        title="Interests against demographics",
        text=(
            (
                "Each list is made by what the others of the shopper's segment bought in the twelve weeks before, "
                "and passes the same guards. No service makes the demographic ones: they were made here, to see what "
                "that gives up."
            ),
        ),
        tables=(
            Table(
                "segments",
                "Lists by segment: quality, and its difference to no segment at all",
                ("segments", "kind", "number", "beyond chance", "gain", "gain in NDCG"),
                rows,
            ),
        ),
    )


def _label(group: GroupResult) -> str:
    return f"{spoken(group.attribute)}: {group.group}"


def _span(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
