from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from support.tokens import token

from recsys.arms import Arm, arm_of
from recsys.contracts.state import EMPTY_STATE, State
from recsys.policy import Policy
from recsys.policy.document import Holdout


def policy(salt: str = "a-long-salt", empty: float = 0.1, popular: float = 0.2) -> Policy:
    return Policy(version=1, sha256="0" * 64, holdout=Holdout(salt=salt, empty=empty, popular=popular))


def test_arms_have_their_shares_and_are_drawn_again_by_another_salt() -> None:
    people = [token(number) for number in range(4_000)]
    first = [arm_of(person, EMPTY_STATE, policy()) for person in people]
    counts = Counter(first)
    assert counts[Arm.EMPTY] == pytest.approx(400, abs=80)
    assert counts[Arm.POPULAR] == pytest.approx(800, abs=110)
    assert first == [arm_of(person, EMPTY_STATE, policy()) for person in people]
    again = [arm_of(person, EMPTY_STATE, policy("another salt")) for person in people]
    both = sum(one is other is Arm.EMPTY for one, other in zip(first, again, strict=True))
    assert both < 80  # a tenth of a tenth, not the same people


def test_a_lot_is_the_documented_hash() -> None:
    person = token("somebody")
    share = int.from_bytes(hashlib.sha256(f"a-long-salt\0{person}".encode()).digest()[:8], "big") / 2**64
    assert arm_of(person, EMPTY_STATE, policy(empty=share, popular=0)) is Arm.PERSONAL  # the edge is not in
    assert arm_of(person, EMPTY_STATE, policy(empty=0, popular=share + 1e-9)) is Arm.POPULAR
    assert arm_of(person, EMPTY_STATE, policy(empty=share + 1e-9, popular=0)) is Arm.EMPTY


def test_what_the_state_remembers_comes_first() -> None:
    person = token("somebody")
    assert arm_of(person, State(arm="empty"), policy(empty=0, popular=0)) is Arm.EMPTY
    assert arm_of(person, State(arm="personal"), policy(empty=1, popular=0)) is Arm.PERSONAL
    assert arm_of(person, State(arm="blue"), policy(empty=1, popular=0)) is Arm.EMPTY
    assert arm_of(person, State(arm="popular"), Policy(version=1, sha256="0" * 64)) is Arm.POPULAR
