"""The page of an uplift: what the arms bought, by how much that differs, and whether the figures can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from recsys.arms import Arm
from recsys.evaluation.intervals import RESAMPLES, Estimate
from recsys.evaluation.policy_lab.pages.charts import forest
from recsys.evaluation.policy_lab.pages.views import Plot, Report, Section, Table, count, words
from recsys.evaluation.report.words import EN_DASH, PERCENT, chance, day, share
from recsys.evaluation.uplift import ArmFigure, Uplift, UpliftResult

ARMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Arm.EMPTY.value: "nothing",
        Arm.POPULAR.value: "what everyone gets",
        Arm.PERSONAL.value: "a list of their own",
        Arm.CHALLENGER.value: "the challenger's list",
    }
)
MEASURED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "buyers": "share who bought anything",
        "purchases": "purchases a person",
        "redemptions": "redemptions a person",
        "spend": "spend a person, less returns",
    }
)
_FEW: Final = 100  # below it a percentile interval is too narrow to be called one of 95 %


def uplift_report(result: UpliftResult) -> Report:
    """The page and its tables."""
    asked = "Is the other bundle better?" if result.trial else "What did the offers bring?"
    what = f"trial {result.trial}" if result.trial else "the whole log"
    return Report(
        title=asked,
        lead=f"{count(result.subjects)} people, {what}, decisions from {day(result.since.date())}, "
        f"events to {day(result.until.date())}",
        care=_care(result),
        sections=(_differences(result), _arms(result), _sizes(result)),
        facts=(
            (
                "By intention to treat: a person belongs to the arm of their first decision, whatever came of it, and "
                f"all that they did from then on counts{f', for {result.days} days' if result.days else ''}."
            ),
            (
                f"Intervals: 95{PERCENT}, percentile bootstrap over people, {RESAMPLES:,} resamples, seed "
                f"{result.seed}; each arm is drawn by itself. They are not corrected for the number of comparisons."
            ),
        ),
    )


def _care(result: UpliftResult) -> tuple[str, ...]:
    smallest = min(figure.subjects for figure in result.arms)
    mixed = [arm for arm, bundles in result.bundles.items() if len(bundles) > 1]
    told = []
    if result.ratio.suspicious:
        told.append(
            "The arms do not have the sizes that the policy gave them: people got lost in one. Trust no figure here."
        )
    if result.ratio.p is None:
        told.append("The log does not tell the arms' shares: their sizes could not be checked.")
    if result.switched:
        told.append(f"{count(result.switched)} people were seen in more than one arm; each counts for the first.")
    if smallest < _FEW:
        told.append(f"The smallest arm has {count(smallest)} people: its intervals are narrower than they should be.")
    if mixed:
        told.append(f"More than one bundle decided for {words(mixed)}: the figures are those of the mixture.")
    return (*told, "An interval that holds zero shows no difference. It does not show that there is none.")


def _differences(result: UpliftResult) -> Section:
    names = list(dict.fromkeys(row.metric for row in result.uplifts))
    return Section(
        title="How far the arms are apart",
        tables=(
            Table(
                "uplift-differences",
                f"Difference of means, with its 95{PERCENT} interval",
                ("comparison", "metric", "difference", "relative"),
                tuple((_named(row), row.metric, signed(row.estimate), share(row.relative)) for row in result.uplifts),
            ),
        ),
        plots=tuple(_plot([row for row in result.uplifts if row.metric == name], name) for name in names),
    )


def _plot(rows: list[Uplift], metric: str) -> Plot:
    drawn = [
        {
            "label": _named(row),
            "mean": row.estimate.mean,
            "low": row.estimate.low,
            "high": row.estimate.high,
        }
        for row in rows
    ]
    told = "; ".join(f"{_named(row)}: {signed(row.estimate)}" for row in rows)
    return Plot(forest(drawn, f"difference in {MEASURED[metric]}"), told, f"{MEASURED[metric].capitalize()}.")


def _named(row: Uplift) -> str:
    return f"{row.arm} against {row.against}"


def _arms(result: UpliftResult) -> Section:
    names = list(dict.fromkeys(figure.arm for figure in result.arms))
    metrics = list(dict.fromkeys(figure.metric for figure in result.arms))
    figures = {(figure.arm, figure.metric): figure for figure in result.arms}
    rows = tuple((f"{arm}: {ARMS[arm]}", *(_cell(figures[arm, metric]) for metric in metrics)) for arm in names)
    bundles = tuple((arm, ", ".join(versions)) for arm, versions in result.bundles.items())
    return Section(
        title="What each arm did",
        tables=(
            Table("uplift-arms", f"Mean a person, with its 95{PERCENT} interval", ("arm", *metrics), rows),
            Table("uplift-bundles", "Which bundles decided", ("arm", "bundles"), bundles),
        ),
    )


def _sizes(result: UpliftResult) -> Section:
    ratio = result.ratio
    found = "not checked" if ratio.p is None else f"p {chance(ratio.p)}"
    rows = tuple(
        (arm, count(people), f"{ratio.expected[arm]:,.1f}" if arm in ratio.expected else EN_DASH)
        for arm, people in ratio.observed.items()
    )
    return Section(
        title="Whether the arms have their sizes",
        text=(
            (
                f"Pearson's chi-square against the policy's shares: {found}. Below .001 is no accident: then people "
                "got lost in one arm, and those who are left differ by more than what they were sent."
            ),
        ),
        tables=(Table("uplift-sizes", "People by arm", ("arm", "people", "meant by the policy"), rows),),
    )


def _cell(figure: ArmFigure) -> str:
    one = figure.estimate
    return f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"


def signed(one: Estimate) -> str:
    """`+0.0123 [-0.0100, +0.0346]`: money may be above 1, so that the zero before the point stays."""
    return f"{one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
