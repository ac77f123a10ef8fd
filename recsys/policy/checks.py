"""What a policy cannot mean (an error), and what it surely does not mean (a warning)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from recsys.amounts import amount
from recsys.contracts.decision import MAX_COUNT
from recsys.errors import PolicyError
from recsys.policy.document import CoolDown, Policy, Scope
from recsys.policy.findings import Finding, place_of
from recsys.policy.locations import Path
from recsys.policy.outdone import levels_down_to, outdone

_RULES = ("only_if_purchased", "past_purchase_trap", "cool_down")


def check(policy: Policy) -> None:
    """Raise `PolicyError` at the first thing that the policy cannot mean."""
    for finding in _impossible(policy):
        where = place_of(policy.path, policy.text, finding.keys)
        raise PolicyError(finding.what, where=where, mend=finding.mend)


def oddities(policy: Policy) -> list[Finding]:
    """Rules that can never matter, as far as the policy alone can tell."""
    return [
        *_shadowed(policy),
        *_too_tight(policy),
        *_shut_for_good(policy),
        *_clipped(policy),
        *_too_wide(policy),
        *outdone(policy),
    ]


def group_names(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Every mention of a group, with its place."""
    for key in ("never", "adults_only"):
        yield from ((((key, i)), name) for i, name in enumerate(getattr(policy, key)))
    for key in _RULES:
        for i, rule in enumerate(getattr(policy, key)):
            yield from (((key, i, "groups", j), name) for j, name in enumerate(rule.groups))
    for i, lift in enumerate(policy.boosts.lift):
        yield from ((("boosts", "lift", i, "groups", j), name) for j, name in enumerate(lift.groups))


def _impossible(policy: Policy) -> Iterator[Finding]:
    for name, group in policy.groups.items():
        if not group.categories and not group.items:
            yield Finding(("groups", name), "has neither categories nor items", "Name some, or drop the group")
    yield from _unknown_groups(policy)
    yield from _contradictions(policy)
    for i, rule in enumerate(policy.cool_down):
        if not _named(rule):
            yield Finding(("cool_down", i), "names nothing", "Give it groups, categories or items")
    for i, lift in enumerate(policy.boosts.lift):
        if sum(map(bool, (lift.offers, lift.campaigns, lift.groups, lift.categories))) != 1:
            mend = "Give it one of offers, campaigns, groups, categories"
            yield Finding(("boosts", "lift", i), "names none or several kinds of things", mend)
    if policy.holdout is not None and policy.holdout.empty + policy.holdout.popular > 1:
        yield Finding(("holdout",), "has shares that sum to more than 1", "The rest is the personal arm")


def _unknown_groups(policy: Policy) -> Iterator[Finding]:
    for keys, name in group_names(policy):
        if name not in policy.groups:
            near = difflib.get_close_matches(name, policy.groups, n=1)
            mend = f"Did you mean {near[0]!r}?" if near else "Add it under [groups]"
            yield Finding(keys, f"there is no group {name!r}", mend)


def _contradictions(policy: Policy) -> Iterator[Finding]:
    never = set(policy.never)
    for i, rule in enumerate(policy.only_if_purchased):
        for j, name in enumerate(rule.groups):
            if name in never:
                yield Finding(
                    ("only_if_purchased", i, "groups", j),
                    f"{name!r} is also offered to nobody (never)",
                    "Take it out of one of them",
                )
    for name in policy.never:
        if policy.groups[name].name:
            keys = ("groups", name, "name")
            yield Finding(
                keys, "what is never offered must not be named either", "Drop `name`, or take it out of never"
            )


def _shadowed(policy: Policy) -> Iterator[Finding]:
    """Rules about groups that are never offered: those purchases are not even kept."""
    for keys, name in group_names(policy):
        if name in policy.never and keys[0] not in {"never", "only_if_purchased"}:
            yield Finding(keys, f"{name!r} is never offered, so this rule is never reached")


def _too_tight(policy: Policy) -> Iterator[Finding]:
    for i, rule in enumerate(policy.only_if_purchased):
        if rule.min_days > rule.within_days + 1:
            keys = ("only_if_purchased", i, "min_days")
            yield Finding(
                keys, f"{amount(rule.within_days + 1, 'day')} cannot hold {rule.min_days}: nothing opens this rule"
            )


def _shut_for_good(policy: Policy) -> Iterator[Finding]:
    """Who has to have bought it lately, and must not have: the newest of `min_days` days cannot be older than that."""
    longest: dict[tuple[str, Scope], int] = {}
    for rest in policy.cool_down:
        for name in rest.groups:
            longest[name, rest.level] = max(rest.days, longest.get((name, rest.level), 0))
    for i, rule in enumerate(policy.only_if_purchased):
        oldest = rule.within_days - rule.min_days + 1
        for j, name in enumerate(rule.groups):
            days = max((longest.get((name, level), 0) for level in levels_down_to(rule.level)), default=0)
            if days > oldest >= 0:
                what = f"what opens {name!r} was bought {amount(oldest, 'day')} ago or later, and rests for {days}"
                yield Finding(("only_if_purchased", i, "groups", j), f"{what}: nothing is ever offered")


def _too_wide(policy: Policy) -> Iterator[Finding]:
    for i, rule in enumerate(policy.diversity):
        if rule.max >= MAX_COUNT:
            yield Finding(("diversity", i, "max"), f"a list holds {MAX_COUNT} offers, so this rule is never reached")


def _clipped(policy: Policy) -> Iterator[Finding]:
    for i, lift in enumerate(policy.boosts.lift):
        if abs(lift.by) > policy.boosts.max:
            keys = ("boosts", "lift", i, "by")
            yield Finding(keys, f"is more than boosts.max allows ({policy.boosts.max:g}), and is cut to it")


def _named(rule: CoolDown) -> bool:
    return bool(rule.groups or rule.categories or rule.items)
