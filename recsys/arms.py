"""Arms: who gets nothing, what everyone gets, or a list of their own, and from which of two bundles.

Two lots, each by a salt of its own:

    holdout: u = first 8 bytes of SHA-256(salt, 0x00, token), as a whole number, / 2^64
             u < empty: "empty"; u < empty + popular: "popular"; else a list of their own
    trial:   v = the same of SHA-256(salt, 0x01, token), of those with a list of their own
             v < challenger: "challenger"; else "personal"

What the state remembers comes before the lots: another salt or share of the holdout moves nobody who has an arm. What
is remembered of a trial ("challenger@1f3a5b7c") holds for that trial only: another one draws its own lots.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from recsys.contracts.state import State
from recsys.policy import Policy


class Arm(StrEnum):
    """What a person is assigned to. The challenger's list is personal too, by the other bundle."""

    EMPTY = "empty"
    POPULAR = "popular"
    PERSONAL = "personal"
    CHALLENGER = "challenger"


_ARMS: Final = {arm.value: arm for arm in Arm}
_HELD_OUT: Final = frozenset({Arm.EMPTY, Arm.POPULAR})
_BUCKETS: Final = 2.0**64
_HOLDOUT, _TRIAL = b"\0", b"\1"


def arm_of(subject: str, state: State, policy: Policy) -> Arm:
    """The subject's arm. A remembered name that is none of these counts as none."""
    name, _, trial = (state.arm or "").partition("@")
    held = _ARMS.get(name) or _held_out(subject, policy)
    if held in _HELD_OUT:
        return held
    if policy.trial is None:
        return Arm.PERSONAL
    if trial == policy.trial.trial_id:
        return held
    chosen = _lot(policy.trial.salt, _TRIAL, subject) < policy.trial.challenger
    return Arm.CHALLENGER if chosen else Arm.PERSONAL


def to_remember(arm: Arm, policy: Policy) -> str | None:
    """What the state has to remember of an arm that this policy assigned; None: nothing was drawn."""
    if policy.trial is not None and arm not in _HELD_OUT:
        return f"{arm}@{policy.trial.trial_id}"
    return None if policy.holdout is None else arm.value


def remembered(before: str | None, now: str | None) -> str | None:
    """What is remembered from now on: what was before, unless a trial has begun of which it does not speak."""
    if before is None or now is None:
        return now if before is None else before
    name, _, trial = before.partition("@")
    begun = now.partition("@")[2]
    return now if begun not in {"", trial} and _ARMS.get(name) not in _HELD_OUT else before


def share_of(arm: Arm, policy: Policy) -> float | None:
    """The probability with which the policy assigns an arm; None where it draws no lots."""
    if policy.holdout is None and policy.trial is None:
        return None
    empty, popular = (policy.holdout.empty, policy.holdout.popular) if policy.holdout else (0.0, 0.0)
    own, challenger = 1.0 - empty - popular, policy.trial.challenger if policy.trial else 0.0
    shares = {Arm.EMPTY: empty, Arm.POPULAR: popular, Arm.CHALLENGER: own * challenger}
    return shares.get(arm, own * (1.0 - challenger))


def _held_out(subject: str, policy: Policy) -> Arm:
    if policy.holdout is None:
        return Arm.PERSONAL
    lot = _lot(policy.holdout.salt, _HOLDOUT, subject)
    if lot < policy.holdout.empty:
        return Arm.EMPTY
    return Arm.POPULAR if lot < policy.holdout.empty + policy.holdout.popular else Arm.PERSONAL


def _lot(salt: str, kind: bytes, subject: str) -> float:
    """In [0, 1), the same for ever."""
    digest = hashlib.sha256(salt.encode() + kind + subject.encode()).digest()
    return int.from_bytes(digest[:8], "big") / _BUCKETS
