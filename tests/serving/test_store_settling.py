"""What every store does with decisions: caps that hold exactly, reservations, arms, the log."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prove.prove_caps import allowed
from support.lines import ANNA, BELA, NOW
from support.told import BEER, HOUR, MILK, decided, filled, per_offer, settle, settling, told

from recsys.contracts.audit import DecisionRecord
from recsys.contracts.catalogue import path_parts
from recsys.history import ItemIndex
from recsys.policy.document import Cap, CapScope
from serving.stores import Answer, Claim, Replay, Settled, Store
from serving.stores.activity import ReservedOffer, Shown, ShownOffer
from serving.stores.caps import Place, without_room

INDEX, PRINT = ItemIndex.of(["beer"]), b"f" * 32


@pytest.fixture
def store(store: Store) -> Store:
    return filled(store)


def reserved(store: Store) -> list[str]:
    return [one.offer_id for one in store.read([ANNA], INDEX).states[0].reservations]


def test_a_decision_is_found_again_with_all_that_was_withheld(store: Store) -> None:
    one = msgspec.structs.replace(decided("d1", "o1", "o2"))
    asked = settling("d1", "o1", details={"shadow": "m/2", "gpc": True})
    assert settle(store, asked) == [Settled(written=True)]
    found = store.decision("d1")
    assert found == DecisionRecord(
        decision=decided("d1", "o1"), request=asked.request, reserved=("o1",), details={"shadow": "m/2", "gpc": True}
    )
    assert found.decision.withheld == {"never": 3}
    assert store.decision("d2") is None
    assert one.items[0] == found.decision.items[0]


def test_a_cap_lets_no_more_through_than_it_says(store: Store) -> None:
    caps = (per_offer(2),)
    outcomes = settle(store, *(settling(n, "o1", caps=caps) for n in range(4)), settling(9, "o2", caps=caps))
    assert [one.written for one in outcomes] == [True, True, False, False, True]
    assert outcomes[2] == Settled(written=False, refused=("o1",))
    assert reserved(store) == ["o1", "o1", "o2"]
    assert store.decision("2") is None


def test_a_decision_is_written_whole_or_not_at_all(store: Store) -> None:
    caps = (per_offer(1),)
    settle(store, settling(1, "o1", caps=caps))
    (outcome,) = settle(store, settling(2, "o2", "o1", "o3", "o3", caps=caps))
    assert outcome == Settled(written=False, refused=("o1", "o3"))
    assert reserved(store) == ["o1"]


def test_an_answer_is_kept_with_its_decisions_or_not_at_all(store: Store) -> None:
    """One request's two decisions, of which the second has no room; another's; one whose claim is gone."""
    caps, keys = (per_offer(1),), [bytes([number]) * 32 for number in range(3)]
    assert store.idempotency.begin_all([(key, PRINT) for key in keys[:2]], now=NOW) == (Claim.NEW, Claim.NEW)
    answers = [Answer(key, Replay(200, b"[%d]" % number)) for number, key in enumerate(keys)]
    asked = [
        settling(1, "o1", caps=caps, answer=answers[0]),
        settling(2, "o1", caps=caps, answer=answers[0]),
        settling(3, "o2", caps=caps, answer=answers[1]),
        settling(4, "o3", subject=BELA, caps=caps, answer=answers[1]),
        settling(5, "o4", caps=caps, answer=answers[2]),
    ]
    assert [one.written for one in settle(store, *asked)] == [True, False, True, True, True]
    again = store.idempotency.begin_all([(key, PRINT) for key in keys], now=NOW)
    assert again == (Claim.IN_FLIGHT, Replay(200, b"[1]"), Claim.NEW)
    assert [store.access(subject).stored_answers for subject in (ANNA, BELA)] == [1, 1]


def test_a_reservation_counts_until_it_expires(store: Store) -> None:
    caps = (per_offer(1),)
    assert settle(store, settling(1, "o1", caps=caps))[0].written
    expired = NOW + HOUR
    just_before = expired - dt.timedelta(microseconds=1)
    assert not settle(store, settling(2, "o1", caps=caps), now=just_before)[0].written
    assert settle(store, settling(3, "o1", caps=caps, expires=expired + HOUR), now=expired)[0].written


def test_windows_roll_and_exposures_count(store: Store) -> None:
    caps = (per_offer(1, hours=24),)
    store.record([told(1, "exposure", at=NOW - 24 * HOUR)], now=NOW)
    early = NOW - dt.timedelta(microseconds=1)
    assert not settle(store, settling(1, "o1", caps=caps), now=early)[0].written
    assert settle(store, settling(2, "o1", caps=caps))[0].written


def test_categories_count_as_they_were_when_the_offer_was_shown(store: Store) -> None:
    caps = (Cap(per=CapScope.CATEGORY, max=1, hours=24, depth=2),)
    store.record([told(1, "exposure", offer_id="o8", categories=("drink /  beers/ales / other",))], now=NOW)
    assert settle(store, settling(1, "o1", caps=caps))[0].refused == ("o1",)
    store.record([told(2, "exposure", subject=BELA, offer_id="o8", categories=MILK)], now=NOW)
    assert settle(store, settling(2, "o1", subject=BELA, caps=caps))[0].written


def test_the_arm_that_was_assigned_first_is_remembered(store: Store) -> None:
    settle(store, settling(1, arm="popular", remember_arm=True), settling(2, subject=BELA, arm="personal"))
    settle(store, settling(3, arm="personal", remember_arm=True))
    assert [state.arm for state in store.read([ANNA, BELA], INDEX).states] == ["popular", None]


def test_a_trial_is_remembered_beside_the_arm_until_another_one_begins(store: Store) -> None:
    """Also where the decision reserves: both are one write."""

    def arms() -> list[str | None]:
        return [state.arm for state in store.read([ANNA, BELA], INDEX).states]

    settle(store, settling(1, remember="personal"), settling(2, subject=BELA, remember="empty"))
    settle(store, settling(3, "o1", remember="challenger@aaaaaaaa"), settling(4, subject=BELA, remember="empty"))
    assert arms() == ["challenger@aaaaaaaa", "empty"]
    settle(store, settling(5, remember="personal@aaaaaaaa"), settling(6, remember="personal"))
    assert arms() == ["challenger@aaaaaaaa", "empty"]
    settle(store, settling(7, remember="personal@bbbbbbbb"), settling(8, subject=BELA, remember="personal@bbbbbbbb"))
    assert arms() == ["personal@bbbbbbbb", "empty"]


OFFERS, CHANNELS = ("o1", "o2", "o3"), ("email", "app")
CATEGORIES = ((), BEER, MILK, (*BEER, *MILK), ("DRINK / WINE / wine",))
MOMENTS = st.integers(-50, 5).map(lambda hours: NOW + hours * HOUR)
CAPS = st.lists(
    st.builds(
        Cap,
        per=st.sampled_from(CapScope),
        max=st.integers(1, 3),
        hours=st.sampled_from([1, 24, 48]),
        depth=st.integers(1, 3),
    ),
    max_size=6,
)
PLACES = st.builds(Place, st.sampled_from(OFFERS), st.sampled_from(CHANNELS), st.sampled_from(CATEGORIES))


@settings(max_examples=60)
@given(
    shown=st.lists(st.tuples(MOMENTS, PLACES), max_size=6),
    held=st.lists(st.tuples(MOMENTS, PLACES), max_size=3),
    wanted=st.lists(PLACES, min_size=1, max_size=4),
    caps=CAPS,
)
def test_caps_count_as_plain_loops_do(
    shown: list[tuple[dt.datetime, Place]], held: list[tuple[dt.datetime, Place]], wanted: list[Place], caps: list[Cap]
) -> None:
    packed = Shown(
        exposures=[ShownOffer(at, p.offer_id, p.channel, p.categories, None) for at, p in shown],
        reservations=[ReservedOffer(NOW, p.offer_id, p.channel, p.categories, "d", end) for end, p in held],
    )
    taken, refused = [p for end, p in held if end > NOW], []
    for place in wanted:
        fits = True
        for cap in caps:
            window = [p for at, p in shown if NOW - cap.hours * HOUR < at <= NOW] + taken
            fits = fits and all(sum(same(cap, key, p) for p in window) < cap.max for key in keys(cap, place))
        if fits:
            taken.append(place)
        else:
            refused.append(place.offer_id)
    assert without_room(packed, wanted, caps, NOW) == tuple(refused)


def keys(cap: Cap, place: Place) -> set[object]:
    if cap.per is CapScope.CATEGORY:
        return {path_parts(text)[: cap.depth] for text in place.categories}
    return {{CapScope.OFFER: place.offer_id, CapScope.CHANNEL: place.channel, CapScope.OVERALL: "all"}[cap.per]}


def same(cap: Cap, key: object, place: Place) -> bool:
    return key in keys(cap, place)


@pytest.mark.slow
def test_eight_processes_get_exactly_what_the_cap_allows(store: Store, url: str) -> None:
    """`make prove` makes 10,000 tries at a cap of 500."""
    assert allowed(url, tries=800, cap=100) == (100, 100)
    report = store.audit.verify()
    assert (report.records, report.faults) == (101, ())  # the decisions, and the load
