"""Arms: who gets nothing, what everyone gets, or a list of their own, so that uplift can be measured.

    u = first 8 bytes of SHA-256(salt, 0x00, token), as a whole number, / 2^64
    u < empty: "empty"; u < empty + popular: "popular"; else "personal"

An arm that the state remembers comes before the bucket: another salt or share moves nobody who has one.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from recsys.contracts.state import State
from recsys.policy import Policy


class Arm(StrEnum):
    """What a person is assigned to."""

    EMPTY = "empty"
    POPULAR = "popular"
    PERSONAL = "personal"


_ARMS: Final = {arm.value: arm for arm in Arm}
_BUCKETS: Final = 2.0**64


def arm_of(subject: str, state: State, policy: Policy) -> Arm:
    """The subject's arm. A remembered name that is not one of the three counts as none."""
    remembered = _ARMS.get(state.arm or "")
    if remembered is not None:
        return remembered
    if policy.holdout is None:
        return Arm.PERSONAL
    digest = hashlib.sha256(policy.holdout.salt.encode() + b"\0" + subject.encode()).digest()
    share = int.from_bytes(digest[:8], "big") / _BUCKETS
    if share < policy.holdout.empty:
        return Arm.EMPTY
    return Arm.POPULAR if share < policy.holdout.empty + policy.holdout.popular else Arm.PERSONAL
