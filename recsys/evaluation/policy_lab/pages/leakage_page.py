"""What lists give away, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.policy_lab.leakage import HISTORY, NO_RULES, OWN, POPULAR, REFITTED, SILENT, UNLEARNED
from recsys.evaluation.policy_lab.leakage_results import LeakageResult, Trait
from recsys.evaluation.policy_lab.pages.charts import forest
from recsys.evaluation.policy_lab.pages.views import Plot, Report, Section, Table, change, count, plain, spoken, words
from recsys.evaluation.report.words import EN_DASH, PERCENT, day

_LISTED: Final = 4  # groups of a trait
_KINDS: Final = (
    (OWN, "as the policy makes it."),
    (NO_RULES, "without any rule."),
    (UNLEARNED, "learn = false for every group of the policy."),
    (REFITTED, "and the bundle was fitted under that."),
    (SILENT, "and nothing of any group goes out."),
    (POPULAR, "what everyone gets: the popular arm's."),
    (HISTORY, "no list at all: what a thief of the purchases could tell."),
)


def leakage_report(result: LeakageResult) -> Report:
    """The page and its tables."""
    asked = result.asked
    return Report(
        title="What does a list of offers give away?",
        lead=f"{result.policy_version} on {day(asked.as_of)}: guessing the traits of {asked.subjects:,} shoppers from "
        f"nothing but lists of {asked.k} offers",
        care=(
            "An attacker with more than one list, or with a better model, guesses better: these are floors.",
            (
                "Not learned from is not unseen: groups are still offered to those who buy them, and everything else "
                "that a shopper buys goes on to tell of them."
            ),
            (
                "Popularity's list is the same for everyone but for the guards, and guards look at purchases: what "
                "it gives away is what they withhold."
            ),
        ),
        sections=(_leaks(result), _worth(result)),
        facts=_facts(result),
    )


def _leaks(result: LeakageResult) -> Section:
    names = {trait.attribute: _said(trait) for trait in result.traits}
    rows = tuple(
        (
            names[leak.trait],
            leak.lists,
            plain(leak.auc),
            EN_DASH if leak.lists == OWN else change(leak.less, 3),
        )
        for leak in result.leaks
    )
    drawn = [
        {
            "label": names[leak.trait],
            "series": leak.lists,
            "mean": leak.auc.mean,
            "low": leak.auc.low,
            "high": leak.auc.high,
        }
        for leak in result.leaks
    ]
    plots = []
    if drawn:
        alternative = "; ".join(f"{row['label']}, {row['series']}: {row['mean']:.3f}" for row in drawn)
        plots.append(Plot(forest(drawn, "AUC; .5 is guessing", zero=0.5), alternative, "The line is guessing."))
    traits = tuple(
        (_said(trait), _groups(trait), count(trait.subjects), f"{100 * trait.share:.0f}") for trait in result.traits
    )
    return Section(
        title="How well traits can be read off lists",
        text=(
            (
                "AUC: the chance that somebody who has the trait is scored above somebody who has not; .5 is guessing, "
                "1 is knowing. Own list minus: how much more the shopper's own list gives away, paired."
            ),
        ),
        terms=_KINDS,
        tables=(
            _in_short(result, names),
            Table("leakage", "AUC by trait and list", ("trait", "list", "AUC", "own list minus"), rows),
            Table("traits", "What was guessed", ("trait", "groups", "shoppers", f"have it,{PERCENT}"), traits),
        ),
        plots=tuple(plots),
    )


def _in_short(result: LeakageResult, names: Mapping[str, str]) -> Table:
    """A row a trait: the lists that matter most side by side."""
    found = {(leak.trait, leak.lists): leak for leak in result.leaks}
    rows = []
    for trait, said in names.items():
        own, quiet, popular = (found[trait, kind] for kind in (OWN, UNLEARNED, POPULAR))
        history = found.get((trait, HISTORY))
        known = EN_DASH if history is None else plain(history.auc)
        rows.append((said, plain(own.auc), plain(quiet.auc), change(quiet.less, 3), plain(popular.auc), known))
    columns = ("trait", "own list", "not learned from", "difference", "popularity's list", "whole history")
    return Table("leakage-short", "AUC, in short", columns, tuple(rows))


def _worth(result: LeakageResult) -> Section:
    rows = tuple(
        (
            variant.lists,
            EN_DASH if variant.beyond is None else plain(variant.beyond),
            EN_DASH if variant.change is None or variant.lists == OWN else change(variant.change, 3),
        )
        for variant in result.variants
    )
    return Section(
        title="What the lists are worth",
        text=("Right offers by the places, minus what the same offers would have had with shoppers drawn at random.",),
        tables=(Table("leakage-worth", "Beyond chance", ("list", "beyond chance", "minus the own list"), rows),),
    )


def _facts(result: LeakageResult) -> tuple[str, ...]:
    asked = result.asked
    bundle = (
        f" Fitted without the groups: {result.unlearned_bundle}."
        if result.unlearned_bundle
        else " No bundle fitted without the groups was given: they are left out of histories, not of the factors."
    )
    return (
        (
            "The attacker sees which offers stand in which places, and their categories; they know the trait of nine "
            "tenths of the shoppers, fit a ridge logistic regression, whose strength they choose among those, and "
            f"guess the last tenth. {result.folds} folds, the same for every list. Pairs are compared within a fold."
        ),
        (
            f"Bundle {asked.bundle}.{bundle} Traits: the upper bands, cut where the halves are nearest to equal; "
            "without numbers, the largest group against the others."
        ),
        (
            f"Intervals: 95{PERCENT}, percentile bootstrap over shoppers, {RESAMPLES:,} resamples, seed {asked.seed}. "
            "The guesses stand while shoppers are drawn, no fit is made again: what another attacker with other "
            "shoppers would find scatters more."
        ),
    )


def _said(trait: Trait) -> str:
    if trait.attribute.startswith("buys "):
        return trait.attribute
    return f"{spoken(trait.attribute)}: {words(trait.having[:1] + (('more',) if len(trait.having) > 1 else ()))}"


def _groups(trait: Trait) -> str:
    """Those that have it; of many bands the ends."""
    if len(trait.having) > _LISTED:
        return f"{trait.having[0]} to {trait.having[-1]}"
    return ", ".join(trait.having)
