"""The section of docs/results.md on redeemed coupons, from what `recsys-evaluate offers` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from benchmarks.results.coupons import FIRST
from recsys.evaluation.offers import POOLED, OffersResult, RuleFigure
from recsys.evaluation.report import words

FLOOR: Final = 0.452  # of the rule that ships: the goal is not to fall below it
TO_BEAT: Final = 0.477  # of coverage, on other units than these: see `_bars`
_NAMES: Final[Mapping[str, str]] = MappingProxyType({"model": "largest"})  # what the page calls a rule otherwise
_RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pooled": "the rule that ships: the sum, over the offer's model items, of the model's score times the share of "
        "that item which the offer stands for, as the household's own purchases tell",
        "coverage": "how often the household bought what the offer covers, lately counting more; no model",
        "largest": "the largest score that the model gives one of the offer's model items; no coverage",
        "popularity": "how popular what the offer covers is these days; the same order for every household",
        "random": "lots: what knowing nothing gets",
    }
)


def coupon_section(result: OffersResult) -> Iterator[str]:
    """What was judged, each rule in a line, their figures, and both bars."""
    yield "\n## Redeemed coupons of Complete Journey\n"
    yield (
        f"A unit is a household and a campaign of which it redeemed something: {result.units:,} units of "
        f"{result.subjects:,} households and {result.campaigns:,} campaigns that started on {FIRST} or later. The "
        "bundle was fitted on what lies before that day, a history ends where its campaign starts; the candidates are "
        "the campaign's coupons. Intervals and differences draw households, each with all of its campaigns. The rule "
        "was chosen on nearly all of these campaigns ([ADR 3](adr/0003-pooling.md)): nothing is claimed from it.\n"
    )
    for figure in result.figures:
        yield f"- *{_name(figure)}*: {_RULES[_name(figure)]}."
    yield f"\n| rule | NDCG@{result.k} | {POOLED} minus it |\n|---|---|---|"
    for figure in result.figures:
        change = "" if figure.rule == POOLED else words.change_and_interval(figure.pooled_minus_this)
        name = f"**{_name(figure)}**" if figure.rule == POOLED else _name(figure)
        yield f"| {name} | {words.mean_and_interval(figure.ndcg)} | {change} |"
    yield from _bars(result)


def shipped(result: OffersResult) -> RuleFigure:
    """The figure of the rule that ships."""
    return next(figure for figure in result.figures if figure.rule == POOLED)


def reaches_floor(result: OffersResult) -> bool:
    """Whether the goal is met."""
    return shipped(result).ndcg.mean >= FLOOR


def beats(result: OffersResult) -> bool:
    """Whether the figure of the other protocol is beaten, too."""
    return shipped(result).ndcg.mean > TO_BEAT


def _bars(result: OffersResult) -> Iterator[str]:
    found = shipped(result).ndcg
    yield "\nTwo bars were set, both for the mean of *pooled*:\n"
    yield f"- not below {words.decimal(FLOOR, 3)}: {_met(reaches_floor(result))}, by {_apart(found.mean, FLOOR)};"
    yield f"- beat {words.decimal(TO_BEAT, 3)}: {_met(beats(result))}, by {_apart(found.mean, TO_BEAT)}."
    yield (
        f"\n{words.decimal(TO_BEAT, 3)} is of another protocol's evidence, 278 units of one test window: a count of "
        "the covered products in the own history, lately counting more. On the units of this page such a count is the "
        "row *coverage*."
    )
    inside = [words.decimal(bar, 3) for bar in (FLOOR, TO_BEAT) if found.low <= bar <= found.high]
    if inside:
        yield f"\nThe interval of *pooled* holds {' and '.join(inside)}: other households might tell otherwise."


def _name(figure: RuleFigure) -> str:
    return _NAMES.get(figure.rule, figure.rule)


def _met(reached: bool) -> str:  # noqa: FBT001 - the only thing that it is about
    return "**met**" if reached else "**missed**"


def _apart(mean: float, bar: float) -> str:
    return words.decimal(abs(mean - bar))
