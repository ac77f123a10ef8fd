"""A replay, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.policy_lab.pages.charts import bars, forest, matrix
from recsys.evaluation.policy_lab.pages.plain import in_words
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
    asked, called = result.asked, _called(result)
    versions = result.policies[0].policy_version
    if len(result.policies) > 1:
        versions = f"First policy {versions}, other policy {result.policies[1].policy_version}"
    sections = [_guards(result, called), _quality(result, called)]
    if result.side_by_side is not None:
        sections.insert(0, _says(result.side_by_side))
    if result.rules:
        sections.append(_rules(result.rules, asked))
    sections.append(_short(result.policies, called))
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
                "paired. Shares of short lists: Wilson's interval."
            ),
        ),
    )


def _called(result: ReplayResult) -> list[str]:
    """What the policies are called in tables: where there are two, their hashes would tell nobody which is which."""
    if len(result.policies) == 1:
        return [result.policies[0].policy_version]
    return ["First policy", "Other policy"]


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


def _says(both: SideBySide) -> Section:
    rows = tuple((one.where, one.before or EN_DASH, one.after or EN_DASH) for one in both.says)
    return Section(
        title="What the policies say differently",
        text=() if rows else ("Nothing.",),
        tables=(Table("says", "By key of the policy file", ("key", "first policy", "other policy"), rows),)
        if rows
        else (),
    )


def _guards(result: ReplayResult, called: Sequence[str]) -> Section:
    asked, policies = result.asked, list(zip(called, result.policies, strict=True))
    pairs = f"of {asked.subjects * asked.offers:,} pairs of a shopper and an offer"
    tables = [
        Table(
            name="guards" if policy is result.policies[0] else "guards-against",
            caption=f"{name}: withheld {pairs}",
            columns=("guard", "alone", "first to withhold", "nothing else withholds"),
            rows=tuple((one.rule, count(one.alone), count(one.first), count(one.last)) for one in policy.guards),
        )
        for name, policy in policies
    ]
    first = result.policies[0]
    if first.overlaps:
        rows = tuple((" and ".join(one.rules), count(one.both)) for one in first.overlaps)
        tables.append(Table("overlaps", f"{called[0]}: withheld by both", ("guards", "pairs"), rows))
    passed = "; ".join(
        f"{name}: " + (", ".join(f"{rule} {held:,}" for rule, held in policy.passed_over.items()) or "nothing")
        for name, policy in policies
    )
    rules = (rule for policy in result.policies for rule in (*(one.rule for one in policy.guards), *policy.passed_over))
    return Section(
        title="What each guard withholds",
        text=(
            (
                "Alone: what the guard would withhold if it were the only one. First: as decisions report it. "
                "Nothing else: what would go out if this guard were dropped."
            ),
            f"Passed over for places in a list: {passed}.",
        ),
        terms=in_words((*rules, *(rule.rule for rule in result.rules))),
        tables=tuple(tables),
        plots=tuple(_guards_drawn(policies)),
    )


def _guards_drawn(policies: Sequence[tuple[str, PolicyReplay]]) -> Iterator[Plot]:
    rows = [
        {"label": guard.rule, "series": name, "value": guard.alone}
        for name, policy in policies
        for guard in policy.guards
    ]
    if rows:
        alternative = "; ".join(f"{row['series']}, {row['label']}: {row['value']:,}" for row in rows)
        yield Plot(bars(rows, "pairs withheld"), alternative, "What each guard would withhold on its own.")
    name, policy = policies[0]
    squares = [{"label": one.rule, "other": one.rule, "value": one.alone} for one in policy.guards]
    for overlap in policy.overlaps:
        for label, other in (overlap.rules, overlap.rules[::-1]):
            squares.append({"label": label, "other": other, "value": overlap.both})
    if policy.overlaps:
        alternative = "; ".join(f"{' and '.join(one.rules)}: {one.both:,}" for one in policy.overlaps)
        yield Plot(
            matrix(squares),
            alternative,
            f"{name}: pairs that two guards both withhold; on the diagonal, each.",
        )


def _quality(result: ReplayResult, called: Sequence[str]) -> Section:
    rows = [
        (name, said, plain(policy.quality[metric]), change(policy.effect[metric]))
        for name, policy in zip(called, result.policies, strict=True)
        for metric, said in METRIC_NAMES.items()
        if metric in policy.quality
    ]
    lengths = tuple(
        (name, count(policy.full), count(policy.short), count(policy.empty))
        for name, policy in zip(called, result.policies, strict=True)
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


def _short(policies: Sequence[PolicyReplay], called: Sequence[str]) -> Section:
    tables = tuple(
        Table(
            "short-lists" if place == 0 else "short-lists-against",
            f"{name}: shoppers who agreed to the channel; no group of fewer than five",
            ("shoppers", "group", "how many", "short lists, %", "offers in a list"),
            tuple(
                (one.by, one.group, count(one.subjects), percent(one.short), number(one.offers))
                for one in policy.short_lists
            ),
        )
        for place, (name, policy) in enumerate(zip(called, policies, strict=True))
    )
    return Section(title="Who gets short lists", tables=tables)


def _side_by_side(both: SideBySide, asked: Asked) -> Section:
    changed = f"{both.changed:,} of {asked.subjects:,} lists change ({share(both.changed, asked.subjects)}{PERCENT})"
    differences = tuple(
        (said, change(both.difference[metric], 5)) for metric, said in METRIC_NAMES.items() if metric in both.difference
    )
    movers = tuple((one.offer_id, one.title, count(one.before), count(one.after)) for one in both.movers)
    tables = [
        Table("difference", f"The other policy minus the first; {changed}", ("metric", "difference"), differences)
    ]
    if movers:
        columns = ("offer", "title", "before", "after")
        tables.append(Table("movers", "Offers that move most: places in lists", columns, movers))
    kept = f" Of a changed list, {100 * both.kept.mean:.0f}{PERCENT} of the offers stay." if both.changed else ""
    return Section(
        title="The other policy against the first",
        text=(f"{changed}.{kept} Whose they are: --changed writes their tokens to a file.",),
        tables=tuple(tables),
    )


def _span(estimate: object) -> dict[str, float]:
    return {name: getattr(estimate, name) for name in ("mean", "low", "high")}
