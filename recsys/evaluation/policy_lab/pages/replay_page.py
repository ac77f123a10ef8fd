"""A replay, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.policy_lab.pages.charts import bars, forest
from recsys.evaluation.policy_lab.pages.views import (
    METRIC_NAMES,
    Plot,
    Report,
    Section,
    Table,
    change,
    count,
    number,
    percent,
    plain,
    share,
)
from recsys.evaluation.policy_lab.replay_results import Asked, PolicyReplay, ReplayResult, RuleEffect, SideBySide
from recsys.evaluation.report.words import EN_DASH, PERCENT, day

ABOUT_METRICS: Final = (
    "An offer is right if the shopper bought anything that it covers in the days after. NDCG: 1 / log2(place + 1) "
    "for each right offer, by the best list possible. Precision: right offers by the places. Beyond chance: "
    "precision minus what the same offers would have had with shoppers drawn at random, so that a coupon for half "
    "the shop adds nothing."
)


def replay_report(result: ReplayResult) -> Report:
    """The page and its tables."""
    asked = result.asked
    versions = " against ".join(policy.policy_version for policy in result.policies)
    sections = [_guards(result.policies), _quality(result)]
    if result.rules:
        sections.append(_rules(result.rules, asked))
    sections.append(_short(result.policies))
    if result.side_by_side is not None:
        sections.append(_side_by_side(result.side_by_side, asked))
    return Report(
        title="What does this policy withhold, and what does it cost?",
        lead=f"{versions}, replayed for {asked.subjects:,} shoppers and {asked.offers:,} offers on {day(asked.as_of)}, "
        f"channel {asked.channel}, lists of {asked.k}",
        care=_care(result),
        sections=tuple(sections),
        facts=(
            (
                f"Bundle {asked.bundle}. Every list is made by the code that serves, with exploration switched off. "
                f"{ABOUT_METRICS}"
            ),
            (
                f"Judged: the {asked.judged:,} shoppers who could be sent something and bought something that an "
                f"offer covers in the {asked.horizon} days from {day(asked.as_of)}. Intervals: 95{PERCENT}, "
                f"percentile bootstrap over shoppers, {RESAMPLES:,} resamples, seed {asked.seed}; differences are "
                "paired."
            ),
        ),
    )


def _care(result: ReplayResult) -> tuple[str, ...]:
    remarks = [
        "This is one day, and the judgement one window after it: with other offers the same rules cost something else.",
        (
            "Broad coupons are right for almost everyone, and they are what guards withhold most: an offer is as "
            "sensitive as the most sensitive thing in it. Read “beyond chance” before NDCG."
        ),
        (
            "Nobody had been shown anything before, unless a state file said so: fatigue and frequency caps do "
            "little here. “policy simulate” shows them at work."
        ),
    ]
    if not result.asked.judged:
        remarks.append("Nobody could be judged: the purchases end too soon. There are no figures of quality.")
    return tuple(remarks)


def _guards(policies: Sequence[PolicyReplay]) -> Section:
    tables = [
        Table(
            name="guards" if number_ == 0 else "guards-against",
            caption=f"{policy.policy_version}: pairs of a shopper and an offer",
            columns=("guard", "alone", "first to withhold", "nothing else withholds"),
            rows=tuple((one.rule, count(one.alone), count(one.first), count(one.last)) for one in policy.guards),
        )
        for number_, policy in enumerate(policies)
    ]
    overlaps = [
        Table(
            name="overlaps",
            caption=f"{policy.policy_version}: withheld by both",
            columns=("guards", "pairs"),
            rows=tuple((" and ".join(one.rules), count(one.both)) for one in policy.overlaps),
        )
        for policy in policies[:1]
        if policy.overlaps
    ]
    rows = [
        {"label": guard.rule, "series": policy.policy_version, "value": guard.alone}
        for policy in policies
        for guard in policy.guards
    ]
    plots = []
    if rows:
        alternative = "; ".join(f"{row['series']}, {row['label']}: {row['value']:,}" for row in rows)
        plots.append(Plot(bars(rows, "pairs withheld"), alternative, "What each guard would withhold on its own."))
    passed = "; ".join(
        f"{policy.policy_version}: "
        + (", ".join(f"{rule} {held:,}" for rule, held in policy.passed_over.items()) or "nothing")
        for policy in policies
    )
    return Section(
        title="What each guard withholds",
        text=(
            (
                "Alone: what the guard would withhold if it were the only one. First: as decisions report it. "
                "Nothing else: what would go out if this guard were dropped."
            ),
            f"Passed over for places in a list: {passed}.",
        ),
        tables=(*tables, *overlaps),
        plots=tuple(plots),
    )


def _quality(result: ReplayResult) -> Section:
    rows = []
    for policy in result.policies:
        for metric, name in METRIC_NAMES.items():
            if metric in policy.quality:
                rows.append((policy.policy_version, name, plain(policy.quality[metric]), change(policy.effect[metric])))
    lengths = tuple(
        (policy.policy_version, count(policy.full), count(policy.short), count(policy.empty))
        for policy in result.policies
    )
    return Section(
        title="What it costs",
        tables=(
            Table("lists", "Lists", ("policy", "full", "short", "empty"), lengths),
            Table("quality", "Quality, and its difference to no rule at all", _QUALITY, tuple(rows)),
        ),
    )


_QUALITY: Final = ("policy", "metric", "with the policy", "minus without any rule")


def _rules(rules: Sequence[RuleEffect], asked: Asked) -> Section:
    changes, ndcg = [], []
    for rule in rules:
        beyond, plain_ndcg = (
            tuple(change(costs[metric]) if costs else EN_DASH for costs in (rule.without, rule.alone))
            for metric in ("beyond", "ndcg")
        )
        changes.append((rule.rule, share(rule.lists_changed, asked.subjects), *beyond))
        ndcg.append((rule.rule, count(rule.lists_shorter), *plain_ndcg))
    drawn = [
        {"label": rule.rule, "series": series, **_span(costs["beyond"])}
        for rule in rules
        for series, costs in (("with the others", rule.without), ("alone", rule.alone))
        if costs
    ]
    plots = []
    if drawn:
        alternative = "; ".join(f"{row['label']} {row['series']}: {row['mean']:+.4f}" for row in drawn)
        plots.append(
            Plot(
                forest(drawn, "difference beyond chance"),
                alternative,
                "Right of the line: lists were better for the rule. With the others: the policy minus the policy "
                "without the rule. Alone: only this rule minus no rule.",
            )
        )
    return Section(
        title="What each rule costs",
        text=(
            "Each rule was left out of the first policy, and then stood alone. Negative: the rule made lists worse.",
        ),
        tables=(
            Table(
                "rules",
                "Lists that each rule of the first policy changes, and what it does to quality beyond chance",
                ("rule", "changed, %", "with the others", "alone"),
                tuple(changes),
            ),
            Table(
                "rules-ndcg",
                "Lists that each rule shortens, and what it does to NDCG",
                ("rule", "shorter", "with the others", "alone"),
                tuple(ndcg),
            ),
        ),
        plots=tuple(plots),
    )


def _short(policies: Sequence[PolicyReplay]) -> Section:
    tables = tuple(
        Table(
            "short-lists" if place == 0 else "short-lists-against",
            f"{policy.policy_version}: shoppers who agreed to the channel; no group of fewer than five",
            ("shoppers", "group", "how many", "short lists, %", "offers in a list"),
            tuple(
                (one.by, one.group, count(one.subjects), percent(one.short), number(one.offers))
                for one in policy.short_lists
            ),
        )
        for place, policy in enumerate(policies)
    )
    return Section(title="Who gets short lists", tables=tables)


def _side_by_side(both: SideBySide, asked: Asked) -> Section:
    differences = tuple((METRIC_NAMES[metric], change(estimate, 5)) for metric, estimate in both.difference.items())
    movers = tuple((one.offer_id, one.title, count(one.before), count(one.after)) for one in both.movers)
    return Section(
        title="The other policy against the first",
        text=(
            (
                f"The lists of {both.changed:,} of {asked.subjects:,} shoppers change "
                f"({share(both.changed, asked.subjects)}{PERCENT}). Of a changed list, {percent(both.kept)}{PERCENT} "
                "of the offers stay."
            ),
        ),
        tables=(
            Table("difference", "The other policy minus the first", ("metric", "difference"), differences),
            Table("movers", "Offers that move most: places in lists", ("offer", "title", "before", "after"), movers),
        ),
    )


def _span(estimate: object) -> dict[str, float]:
    return {name: getattr(estimate, name) for name in ("mean", "low", "high")}
