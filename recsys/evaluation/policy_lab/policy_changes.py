"""What two policies say differently, in the keys of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

import msgspec

from recsys.evaluation.policy_lab.replay_results import PolicyChange
from recsys.policy import Policy
from recsys.policy.document import PolicyDocument

_SECRET: Final = frozenset({"holdout.salt"})  # whoever knows it can draw the lots
_HIDDEN: Final = "(not shown)"


def policy_changes(before: Policy, after: Policy) -> tuple[PolicyChange, ...]:
    """Every key that the two do not agree about. The order within a list is none of it.

    Of a list of rules those that stand in both are left out, and the others are held against each other in turn.
    """
    old, new = (msgspec.to_builtins(policy) for policy in (before, after))
    return tuple(
        change for key in PolicyDocument.__struct_fields__ for change in _differences(key, old.get(key), new.get(key))
    )


def _differences(where: str, old: object, new: object) -> Iterator[PolicyChange]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(f"{where}.{key}", old.get(key), new.get(key))
    elif isinstance(old, tuple) and isinstance(new, tuple):
        lone = [tuple(entry for entry in side if entry not in other) for side, other in ((old, new), (new, old))]
        if any(isinstance(entry, dict) for entry in (*old, *new)):
            for one, another in zip_longest(*lone):
                yield from _differences(f"{where} ({_about(one or another)})", one, another)
        elif any(lone):
            yield PolicyChange(where=where, before=_told(lone[0]), after=_told(lone[1]))
    elif where in _SECRET:
        yield PolicyChange(where=where, before=_HIDDEN, after=_HIDDEN)
    else:
        yield PolicyChange(where=where, before=_told(old), after=_told(new))


def _about(rule: Mapping[str, Any]) -> str:
    """What a rule is about: whom it names, or how it counts."""
    named = [name for value in rule.values() if isinstance(value, tuple) for name in value]
    return ", ".join(named) or str(rule.get("per", "any"))


def _told(value: object) -> str | None:
    """None where the file says nothing."""
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items() if _told(one) is not None)
    if isinstance(value, tuple):
        return ", ".join(str(_told(one)) for one in value)
    return str(value)
