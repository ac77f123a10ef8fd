"""What `policy leakage` finds, as a document that outlives the run: `leakage.json`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from recsys.evaluation.intervals import Estimate
from recsys.evaluation.policy_lab.replay_results import Asked


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document."""


class Trait(_Part, frozen=True, kw_only=True):
    """What is guessed: whether somebody's group of an attribute is one of `having`."""

    attribute: str
    having: tuple[str, ...]
    lacking: tuple[str, ...]
    subjects: int
    share: float  # of them who have it


class Leak(_Part, frozen=True, kw_only=True):
    """How well one trait can be read off one kind of list. `less`: the shopper's own list minus this one, paired."""

    trait: str
    lists: str
    auc: Estimate
    less: Estimate


class Variant(_Part, frozen=True, kw_only=True):
    """One kind of list, and what it is worth beyond chance. `change`: minus the shopper's own list, paired."""

    lists: str
    beyond: Estimate | None
    change: Estimate | None


class LeakageResult(_Part, frozen=True, kw_only=True):
    """`leakage.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^policy-leakage/1$")] = "policy-leakage/1"
    asked: Asked
    policy_version: str
    unlearned_bundle: str | None  # the bundle that was fitted without the groups, where one was given
    folds: int
    traits: tuple[Trait, ...]
    variants: tuple[Variant, ...]
    leaks: tuple[Leak, ...]
