"""Rules that never decide anything: others of the policy are at least as strict about the same things."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from recsys.policy.document import Cap, CapScope, CoolDown, Policy, Scope
from recsys.policy.findings import Finding
from recsys.policy.locations import Path

_LEVELS = (Scope.GROUP, Scope.CATEGORY, Scope.ITEM)  # from the one that counts the most together


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, as far as strictness goes.

    Args:
        keys: Where it stands.
        about: What it counts, each thing by itself: it is outdone once all of them are.
        covers: What it decides as well with the same numbers, `about` included.
        slack: The smaller both are, the stricter it is.
    """

    keys: Path
    about: frozenset[Hashable]
    covers: frozenset[Hashable]
    slack: tuple[float, float]


def outdone(policy: Policy) -> Iterator[Finding]:
    """A finding for each such rule; of two that are the same, the later one."""
    yield from _traps(policy)
    strictest: dict[Hashable, _Rule] = {}  # by the first number, in the order of which they come: the second decides
    for rule in sorted(_rules(policy), key=lambda one: (one.slack, -len(one.covers))):
        known = [strictest.get(thing) for thing in rule.about]
        if all(other is not None and other.slack[1] <= rule.slack[1] for other in known):
            yield Finding(rule.keys, f"is never reached: {_spoken(known)} at least as strict about the same things")
            continue
        for thing in rule.covers:
            if thing not in strictest or rule.slack[1] < strictest[thing].slack[1]:
                strictest[thing] = rule


def levels_down_to(level: Scope) -> tuple[Scope, ...]:
    """The levels that count at least as much together, and the level itself."""
    return _LEVELS[: _LEVELS.index(level) + 1]


def _traps(policy: Policy) -> Iterator[Finding]:
    """Of traps on the same things, the most days and the least overdue decide, whichever rules they stand in.

    From the weakest on, a trap is dropped if those that are left are as strict about each of its groups.
    """
    days: dict[tuple[str, Scope], list[int]] = {}
    overdue: dict[tuple[str, Scope], list[float]] = {}
    for trap in policy.past_purchase_trap:
        for group in dict.fromkeys(trap.groups):
            insort(days.setdefault((group, trap.level), []), -trap.min_days)  # the strictest first in both
            insort(overdue.setdefault((group, trap.level), []), trap.overdue)
    weakest = sorted(enumerate(policy.past_purchase_trap), key=lambda one: (one[1].min_days, -one[1].overdue, -one[0]))
    for i, trap in weakest:
        own = [(group, trap.level) for group in dict.fromkeys(trap.groups)]
        if all(_among_others(days[key], -trap.min_days) and _among_others(overdue[key], trap.overdue) for key in own):
            yield Finding(("past_purchase_trap", i), "is never reached: the others are as strict about the same things")
            for key in own:
                days[key].remove(-trap.min_days)
                overdue[key].remove(trap.overdue)


def _among_others(ascending: Sequence[float], own: float) -> bool:
    """Whether one of the others is as small: the smallest, unless it is this one; then the next."""
    return ascending[0] < own or (len(ascending) > 1 and ascending[1] <= own)


def _spoken(rules: list[_Rule | None]) -> str:
    names = sorted({f"{rule.keys[0]}[{int(rule.keys[1]) + 1}]" for rule in rules if rule is not None})
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


def _rules(policy: Policy) -> Iterator[_Rule]:
    for i, gate in enumerate(policy.only_if_purchased):
        coarser = levels_down_to(gate.level)  # fewer purchases count for a finer key
        things = [("only_if_purchased", group) for group in gate.groups]
        yield _of(("only_if_purchased", i), things, gate.level, coarser, (-gate.min_days, gate.within_days))
    for i, rest in enumerate(policy.cool_down):
        finer = _LEVELS[_LEVELS.index(rest.level) :]  # what rests with its group rests by itself
        yield _of(("cool_down", i), _cooled(rest), rest.level, finer, (-rest.days, 0))
    for i, cap in enumerate(policy.cap):
        about = frozenset([_capped(cap)])
        yield _Rule(("cap", i), about, about | frozenset(_capped_too(cap)), (cap.max, -cap.hours))
    for i, kind in enumerate(policy.diversity):
        deeper = frozenset(("diversity", depth) for depth in range(kind.depth, 11))
        yield _Rule(("diversity", i), frozenset([("diversity", kind.depth)]), deeper, (kind.max, 0))


def _of(
    keys: Path, things: Sequence[Hashable], level: Scope, levels: tuple[Scope, ...], slack: tuple[float, float]
) -> _Rule:
    covers = frozenset((thing, each) for thing in things for each in levels)
    return _Rule(keys, frozenset((thing, level) for thing in things), covers, slack)


def _cooled(rule: CoolDown) -> list[Hashable]:
    """Its groups, and what it names itself, which is one group without a name."""
    own = (frozenset(rule.categories), frozenset(rule.items))
    named: list[Hashable] = [("cool_down", group) for group in rule.groups]
    return [*named, ("cool_down", own)] if any(own) else named


def _capped(cap: Cap) -> Hashable:
    return ("cap", cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0)


def _capped_too(cap: Cap) -> Iterator[Hashable]:
    """What is counted together in fewer numbers: nothing is shown more often than everything, no type than its kind."""
    if cap.per is CapScope.OVERALL:
        yield from (("cap", per, 0) for per in (CapScope.OFFER, CapScope.CHANNEL))
        yield from (("cap", CapScope.CATEGORY, depth) for depth in range(1, 11))
    if cap.per is CapScope.CATEGORY:
        yield from (("cap", CapScope.CATEGORY, depth) for depth in range(cap.depth, 11))
