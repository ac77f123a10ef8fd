from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from support.counter import AGREED, goods, policy_of, shop
from support.tokens import token

from recsys.arms import Arm, arm_of, remembered, share_of, to_remember
from recsys.contracts.state import EMPTY_STATE, State
from recsys.policy import Policy
from recsys.policy.document import Holdout, Trial


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


def trying(salt: str = "autumn bundle", challenger: float = 0.5, **more: object) -> Policy:
    return Policy(version=1, sha256="0" * 64, trial=Trial(salt=salt, challenger=challenger), **more)


def test_a_trial_splits_those_with_a_list_of_their_own_even_under_the_holdouts_salt() -> None:
    held = Holdout(salt="autumn bundle", empty=0.2, popular=0.2)
    people = [token(number) for number in range(4_000)]
    counts = Counter(arm_of(person, EMPTY_STATE, trying(challenger=0.25, holdout=held)) for person in people)
    shares = {arm: share_of(arm, trying(challenger=0.25, holdout=held)) for arm in Arm}
    assert shares == pytest.approx({Arm.EMPTY: 0.2, Arm.POPULAR: 0.2, Arm.PERSONAL: 0.45, Arm.CHALLENGER: 0.15})
    for arm, share in shares.items():
        assert counts[arm] == pytest.approx(4_000 * share, abs=130), arm
    without = [arm_of(person, EMPTY_STATE, policy("autumn bundle", 0.2, 0.2)) for person in people]
    assert Counter(without)[Arm.EMPTY] == counts[Arm.EMPTY]


def test_the_lot_of_a_trial_is_the_documented_hash() -> None:
    person = token("somebody")
    share = int.from_bytes(hashlib.sha256(f"autumn bundle\1{person}".encode()).digest()[:8], "big") / 2**64
    assert arm_of(person, EMPTY_STATE, trying(challenger=share)) is Arm.PERSONAL
    assert arm_of(person, EMPTY_STATE, trying(challenger=share + 1e-9)) is Arm.CHALLENGER


def test_a_trial_is_remembered_by_name_and_another_one_draws_anew() -> None:
    people = [token(number) for number in range(400)]
    first, second = trying(), trying("winter bundle")
    drawn = {person: arm_of(person, EMPTY_STATE, first) for person in people}
    texts = {person: to_remember(arm, first) for person, arm in drawn.items()}
    rekeyed = {f"{person}x": texts[person] for person in people}  # other tokens, the same memory
    for token_, text in rekeyed.items():
        assert arm_of(token_, State(arm=text), first) is drawn[token_[:-1]]
    again = [arm_of(person, State(arm=text), second) for person, text in texts.items()]
    assert 100 < sum(one is other for one, other in zip(again, drawn.values(), strict=True)) < 300
    assert {arm_of(person, State(arm=text), policy()) for person, text in texts.items()} == {Arm.PERSONAL}
    assert trying(challenger=0.6).trial.trial_id != first.trial.trial_id  # another share is another trial


def test_who_is_held_out_is_in_no_trial() -> None:
    for held in ("empty", "popular"):
        assert arm_of(token("somebody"), State(arm=held), trying(challenger=1.0)) is Arm(held)
        assert remembered(held, "challenger@aaaaaaaa") == held


def test_what_is_remembered_changes_only_when_another_trial_begins() -> None:
    assert to_remember(Arm.PERSONAL, Policy(version=1, sha256="0" * 64)) is None
    assert share_of(Arm.PERSONAL, Policy(version=1, sha256="0" * 64)) is None
    assert to_remember(Arm.POPULAR, policy()) == "popular"
    assert remembered(None, "personal@aaaaaaaa") == "personal@aaaaaaaa"
    assert remembered("personal", "challenger@aaaaaaaa") == "challenger@aaaaaaaa"
    assert remembered("challenger@aaaaaaaa", "personal@aaaaaaaa") == "challenger@aaaaaaaa"
    assert remembered("challenger@aaaaaaaa", "personal@bbbbbbbb") == "personal@bbbbbbbb"
    assert remembered("challenger@aaaaaaaa", "personal") == "challenger@aaaaaaaa"
    assert remembered("challenger@aaaaaaaa", None) == "challenger@aaaaaaaa"


@pytest.mark.parametrize("arm", ["personal", "popular", "empty"])
@pytest.mark.parametrize("consents", [(), ("profiling",), ("channel:email",), ("profiling", "channel:email")])
def test_nobody_is_scored_who_may_not_see_a_list_of_their_own(consents: tuple[str, ...], arm: str) -> None:
    now = shop(policy_of(), goods(a="A"), [["a"]], State(consents=frozenset(consents), arm=arm))
    assert now.ranked.tolist() == [len(consents) == len(AGREED.consents) and arm == "personal"]
