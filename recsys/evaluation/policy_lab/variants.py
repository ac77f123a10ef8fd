"""A policy without one of its rules, or with only one of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from recsys.policy import Policy
from recsys.policy.document import Exploration, UnknownCategory

# Rule, as decisions name it, to what the policy says where it has no such rule.
_ABSENT: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "holdout": {"holdout": None},
        "unknown_category": {"unknown_category": UnknownCategory.ALLOW},
        "never": {"never": ()},
        "age": {"adults_only": ()},
        "only_if_purchased": {"only_if_purchased": ()},
        "past_purchase_trap": {"past_purchase_trap": ()},
        "cool_down": {"cool_down": ()},
        "fatigue": {"fatigue": None},
        "frequency_cap": {"cap": ()},
        "diversity": {"diversity": ()},
    }
)


def rules_of(policy: Policy) -> tuple[str, ...]:
    """The rules that the policy has, as decisions name them."""
    return tuple(rule for rule in _ABSENT if without(policy, rule) != policy)


def without(policy: Policy, *rules: str) -> Policy:
    """The policy as if it said nothing of these rules. What it says of groups (`learn`, `name`) stays."""
    changes = {key: value for rule in rules for key, value in _ABSENT[rule].items()}
    return msgspec.structs.replace(policy, **changes)


def only(policy: Policy, rule: str) -> Policy:
    """The policy with this rule alone; as in `bare`, all may be named."""
    return _named(without(policy, *(other for other in _ABSENT if other != rule)))


def bare(policy: Policy) -> Policy:
    """The policy without any rule: consent, eligibility and dismissals are all that withholds, and all may be named."""
    return _named(without(policy, *_ABSENT))


def _named(policy: Policy) -> Policy:
    groups = {name: msgspec.structs.replace(group, name=True) for name, group in policy.groups.items()}
    return msgspec.structs.replace(policy, groups=groups)


def certain(policy: Policy) -> Policy:
    """The policy that leaves nothing to chance: two policies then differ by their rules alone."""
    return msgspec.structs.replace(policy, exploration=Exploration())


def not_learned_from(policy: Policy) -> Policy:
    """The policy with `learn = false` for every group."""
    groups = {name: msgspec.structs.replace(group, learn=False) for name, group in policy.groups.items()}
    return msgspec.structs.replace(policy, groups=groups)


def never_offered(policy: Policy) -> Policy:
    """The policy that offers nothing of any group, and learns from none."""
    return msgspec.structs.replace(not_learned_from(policy), never=tuple(policy.groups))
