"""Replay: a policy over real histories. What its rules withhold, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.console import step
from recsys.evaluation.intervals import Estimate, bootstrap_means
from recsys.evaluation.policy_lab.judging import METRICS, Wanted, wanted
from recsys.evaluation.policy_lab.lab import Lab, Lists
from recsys.evaluation.policy_lab.policy_changes import policy_changes
from recsys.evaluation.policy_lab.replay_results import (
    Asked,
    GuardCount,
    Mover,
    Overlap,
    PolicyChange,
    PolicyReplay,
    ReplayResult,
    RuleEffect,
    SideBySide,
)
from recsys.evaluation.policy_lab.short_lists import short_lists
from recsys.evaluation.policy_lab.variants import bare, certain, only, rules_of, without
from recsys.evaluation.policy_lab.verdicts import Counts, count_verdicts, eligible_pairs
from recsys.evaluation.splits import Window
from recsys.guards import GUARDS
from recsys.offer_book import OfferBook
from recsys.policy import Policy
from recsys.rank import UNNAMED, UNSCORED

_MOVERS: Final = 10
# Rules that are nothing but a guard: they touch no score.
_GUARDS_ALONE: Final = frozenset({"unknown_category", "age", "only_if_purchased", "cool_down", "fatigue"})
_LIST_RULES: Final = ("frequency_cap", "diversity")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out, and whose lists differ between the two policies (bool [S]; empty where there is one policy)."""

    result: ReplayResult
    changed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Run:
    """One policy's lists and their metrics, float64 [J, metrics]."""

    book: OfferBook
    lists: Lists
    values: NDArray[np.float64]


class _Bench:
    """Runs policies and variants of them, and estimates means over the judged. `free`: under no rule at all."""

    def __init__(self, lab: Lab, policies: Sequence[Policy], horizon: int, seed: int) -> None:
        self.lab = lab
        book = lab.book(bare(policies[0]))
        window = Window(lab.question.day, horizon)
        self.wanted: Wanted = wanted(lab, book, window, eligible_pairs(lab, book))
        self.free = self._run(book)
        self._rng = np.random.default_rng(seed)

    def run(self, policy: Policy) -> _Run:
        return self._run(self.lab.book(policy))

    def _run(self, book: OfferBook) -> _Run:
        lists = self.lab.lists(book)
        return _Run(book, lists, self.wanted.judge(lists))

    def estimates(self, values: Sequence[NDArray[np.float64]]) -> list[dict[str, Estimate]]:
        """For each array of [J, metrics] the estimate of each metric; none where nobody was judged."""
        if not len(self.wanted.rows):
            return [{} for _ in values]
        found = iter(bootstrap_means(np.concatenate(values, axis=1), self._rng))
        return [{metric: next(found) for metric in METRICS} for _ in values]


def replay(lab: Lab, policies: Sequence[Policy], *, horizon: int, seed: int) -> Replayed:
    """Replay one policy, or two side by side. Exploration is switched off: only rules are compared.

    Args:
        lab: The people; the bundle must have seen nothing of the days after the question's.
        policies: One or two.
        horizon: How many days lists are judged on, from the question's day on.
        seed: Of the intervals' resamples.
    """
    sure = [certain(policy) for policy in policies]
    with step("Replaying"):
        bench = _Bench(lab, sure, horizon, seed)
        runs = [bench.run(policy) for policy in sure]
        told = [_policy(bench, run) for run in runs]
    with step("Leaving out one rule after the other"):
        rules = _rules(bench, runs[0], told[0])
    both = _side_by_side(bench, runs, policy_changes(*policies)) if len(runs) > 1 else None
    return Replayed(
        ReplayResult(
            asked=asked(lab, horizon=horizon, judged=len(bench.wanted.rows), seed=seed),
            policies=tuple(told),
            rules=rules,
            side_by_side=both,
        ),
        runs[0].lists.changed(runs[1].lists) if len(runs) > 1 else np.empty(0, np.bool_),
    )


def asked(lab: Lab, *, horizon: int, judged: int, seed: int) -> Asked:
    """The question of a lab."""
    return Asked(
        bundle=lab.shop.scorer.bundle.model_version,
        as_of=lab.question.day,
        horizon=horizon,
        channel=lab.question.channel,
        k=lab.question.count,
        subjects=len(lab.subjects),
        offers=len(lab.shop.offers),
        judged=judged,
        seed=seed,
    )


def _policy(bench: _Bench, run: _Run) -> PolicyReplay:
    lab, lists, book = bench.lab, run.lists, run.book
    counts = count_verdicts(lab, book)
    quality, effect = bench.estimates([run.values, run.values - bench.free.values])
    lengths, k = lists.lengths, lab.question.count
    return PolicyReplay(
        policy_version=book.policy.policy_version,
        full=int((lengths == k).sum()),
        short=int(((lengths > 0) & (lengths < k)).sum()),
        empty=int((lengths == 0).sum()),
        guards=tuple(_guards(counts)),
        overlaps=tuple(_overlaps(counts)),
        passed_over={rule: int(lists.withheld[rule].sum()) for rule in _LIST_RULES if rule in lists.withheld},
        unnamed=_held(lists, UNNAMED),
        unscored=_held(lists, UNSCORED),
        quality=quality,
        effect=effect,
        short_lists=short_lists(lab, lab.histories(book), lengths),
    )


def _held(lists: Lists, rule: str) -> int:
    return int(lists.withheld[rule].sum()) if rule in lists.withheld else 0


def _guards(counts: Counts) -> Iterator[GuardCount]:
    for rule, alone, first, last in zip(
        GUARDS, counts.alone.tolist(), counts.first.tolist(), counts.last.tolist(), strict=True
    ):
        if alone:
            yield GuardCount(rule=rule, alone=alone, first=first, last=last)


def _overlaps(counts: Counts) -> Iterator[Overlap]:
    names = list(GUARDS)
    for one, row in enumerate(counts.both.tolist()):
        for other in range(one + 1, len(names)):
            if row[other]:
                yield Overlap(rules=(names[one], names[other]), both=row[other])


def _rules(bench: _Bench, run: _Run, told: PolicyReplay) -> tuple[RuleEffect, ...]:
    """Each rule left out, and each alone. A guard that withholds nothing from anyone changes no list: not run."""
    policy, free = run.book.policy, bench.free
    idle = _GUARDS_ALONE - {guard.rule for guard in told.guards}
    rules = rules_of(policy)
    left_out = [run if rule in idle else bench.run(without(policy, rule)) for rule in rules]
    alone = [free if rule in idle else bench.run(only(policy, rule)) for rule in rules]
    found = bench.estimates(
        [*(run.values - other.values for other in left_out), *(other.values - free.values for other in alone)]
    )
    return tuple(
        RuleEffect(
            rule=rule,
            lists_changed=int(run.lists.changed(other.lists).sum()),
            lists_shorter=int((run.lists.lengths < other.lists.lengths).sum()),
            without=by_leaving_out,
            alone=by_itself,
        )
        for rule, other, by_leaving_out, by_itself in zip(
            rules, left_out, found[: len(rules)], found[len(rules) :], strict=True
        )
    )


def _side_by_side(bench: _Bench, runs: Sequence[_Run], says: tuple[PolicyChange, ...]) -> SideBySide:
    before, after = runs[0].lists, runs[1].lists
    changed = before.changed(after)
    # A list that was empty on either side keeps nothing; one that is as long as before keeps what stands in both.
    kept = before.kept(after)[changed] / np.maximum(np.maximum(before.lengths, after.lengths)[changed], 1)
    (difference,) = bench.estimates([runs[1].values - runs[0].values])
    nobody = Estimate(1.0, 1.0, 1.0)
    return SideBySide(
        says=says,
        changed=int(changed.sum()),
        kept=bootstrap_means(kept[:, None], np.random.default_rng(0))[0] if len(kept) else nobody,
        difference=difference,
        movers=tuple(_movers(bench.lab, before, after)),
    )


def _movers(lab: Lab, before: Lists, after: Lists) -> Iterator[Mover]:
    """The offers that gain or lose the most places."""
    size = len(lab.shop.offers)
    old, new = (np.bincount(one.offers[one.offers >= 0], minlength=size) for one in (before, after))
    for offer in np.argsort(-np.abs(new - old), kind="stable")[:_MOVERS].tolist():
        if new[offer] != old[offer]:
            row = lab.shop.offers.row(offer, named=True)
            yield Mover(offer_id=row["offer_id"], title=row["title"], before=int(old[offer]), after=int(new[offer]))
