"""Rules that never decide anything: another one of the policy is at least as strict about the same things."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from recsys.policy.document import CapScope, Policy
from recsys.policy.findings import Finding
from recsys.policy.locations import Path


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, as far as strictness goes.

    Args:
        keys: Where it stands.
        about: What it counts; rules about different things do not compare.
        slack: The smaller both are, the stricter it is.
    """

    keys: Path
    about: Hashable
    slack: tuple[float, float]


def outdone(policy: Policy) -> Iterator[Finding]:
    """A finding for each such rule; of two that are the same, the later one."""
    strictest: dict[Hashable, _Rule] = {}
    for rule in sorted(_rules(policy), key=lambda one: one.slack):  # by the first number: the second decides
        known = strictest.get(rule.about)
        if known is not None and known.slack[1] <= rule.slack[1]:
            table, number = known.keys[0], int(known.keys[1]) + 1
            yield Finding(rule.keys, f"is never reached: {table}[{number}] is at least as strict about the same things")
        else:
            strictest[rule.about] = rule


def _rules(policy: Policy) -> Iterator[_Rule]:
    for i, gate in enumerate(policy.only_if_purchased):
        about = ("only_if_purchased", frozenset(gate.groups), gate.level)
        yield _Rule(("only_if_purchased", i), about, (-gate.min_days, gate.within_days))
    for i, trap in enumerate(policy.past_purchase_trap):
        about = ("past_purchase_trap", frozenset(trap.groups), trap.level)
        yield _Rule(("past_purchase_trap", i), about, (-trap.min_days, trap.overdue))
    for i, rest in enumerate(policy.cool_down):
        named = tuple(frozenset(names) for names in (rest.groups, rest.categories, rest.items))
        yield _Rule(("cool_down", i), ("cool_down", named, rest.level), (-rest.days, 0))
    for i, cap in enumerate(policy.cap):
        depth = cap.depth if cap.per is CapScope.CATEGORY else 0
        yield _Rule(("cap", i), ("cap", cap.per, depth), (cap.max, -cap.hours))
    for i, kind in enumerate(policy.diversity):
        yield _Rule(("diversity", i), ("diversity", kind.depth), (kind.max, 0))
