"""What every store does with exposures, responses and dismissals."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from support.lines import ANNA, BELA, NOW, event, load, people
from support.told import BEER, HOUR, filled, per_offer, settle, settling, told

from recsys.contracts.state import Dismissal, DismissalScope, Exposure, Response, ResponseKind, State
from recsys.history import ItemIndex
from serving.stores import Recorded, Reported, Store, open_store

INDEX = ItemIndex.of(["beer", "milk"])


@pytest.fixture
def store(store: Store) -> Store:
    return filled(store)


def state(store: Store, subject: str = ANNA) -> State:
    return store.read([subject], INDEX).states[0]


def test_an_exposure_is_kept_as_it_was(store: Store) -> None:
    east = dt.timezone(dt.timedelta(hours=9))
    assert store.record([told(1, "exposure", at=NOW.astimezone(east), decision_id="d1")], now=NOW) == Recorded(1, 0)
    assert state(store).exposures == (
        Exposure(offer_id="o1", at=NOW, channel="email", categories=BEER, decision_id="d1"),
    )
    assert state(store, BELA).exposures == ()


def test_exposures_come_in_the_order_of_time_and_once(store: Store) -> None:
    events = [told(n, "exposure", at=NOW - n * HOUR, offer_id=f"o{n}") for n in (2, 3, 1)]
    assert store.record(events, now=NOW).accepted == 3
    assert store.record(events, now=NOW) == Recorded(0, 3)
    assert [one.offer_id for one in state(store).exposures] == ["o3", "o2", "o1"]


def test_the_newest_thousand_are_kept(store: Store) -> None:
    store.record([told(n, "exposure", at=NOW - n * HOUR, offer_id=f"o{n}") for n in range(1005)], now=NOW)
    kept = state(store).exposures
    assert (len(kept), kept[0].offer_id, kept[-1].offer_id) == (1000, "o999", "o0")


def test_responses_are_kept(store: Store) -> None:
    store.record([told(n, kind, at=NOW) for n, kind in enumerate(("click", "redemption", "ignored"))], now=NOW)
    kinds = [ResponseKind.CLICK, ResponseKind.REDEMPTION, ResponseKind.IGNORED]
    assert state(store).responses == tuple(Response(offer_id="o1", at=NOW, kind=kind) for kind in kinds)


def test_a_dismissal_stands_at_once_and_for_everyone(store: Store, url: str) -> None:
    other = open_store(url)
    later = NOW + 24 * HOUR
    store.record([told(1, "dismissal", reason="not-for-me", expires=later), told(2, "dismissal", item="beer")], now=NOW)
    assert state(other).dismissals == (
        Dismissal(scope=DismissalScope.OFFER, value="o1", at=NOW, expires=later),
        Dismissal(scope=DismissalScope.ITEM, value="beer", at=NOW),
    )
    assert store.preferences(ANNA).dismissals[0].reason == "not-for-me"
    other.close()


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=5), dt.timedelta(days=4000)])
def test_what_is_dated_ahead_is_kept_as_of_when_it_came(store: Store, ahead: dt.timedelta) -> None:
    """A sender's clock may be ahead: the door lets five minutes pass, and while ours jumped, as much as that is."""
    kinds = ("exposure", "ignored", "dismissal")
    store.record([told(kind, kind, at=NOW + ahead) for kind in kinds], now=NOW)
    held = state(store)
    assert [one.at for one in (*held.exposures, *held.responses, *held.dismissals)] == [NOW] * 3
    assert {one.event.at for one in store.access(ANNA).events} == {NOW}
    (settled,) = settle(store, settling(1, "o1", caps=(per_offer(1),)))
    assert settled.refused == ("o1",)


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=5), dt.timedelta(days=4000)])
def test_a_purchase_dated_ahead_is_of_today_wherever_it_is_told(store: Store, ahead: dt.timedelta) -> None:
    """Guards count nothing of a day to come, and the other stages refuse a file that has one."""
    evening = NOW.replace(hour=23, minute=58)
    kinds = (("purchase", 2), ("return", 1))
    store.record(
        [told(kind, kind, at=evening + ahead, item="milk", quantity=quantity) for kind, quantity in kinds], now=evening
    )

    def days() -> set[dt.date]:
        assert store.read([ANNA], INDEX).histories.quantity.tolist() == [2, 1, 1]
        return set(pl.concat(list(store.exports.purchases()))["day"])

    assert max(days()) == NOW.date()
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "beer", 1, 1)]))  # which tells what came as events again
    assert max(days()) == NOW.date()
    events = pl.concat(list(store.exports.events()))
    assert events["at"].to_list() == events["received"].to_list() == [evening] * 2
    assert {one.event.at for one in store.access(ANNA).events} == {evening}


def test_an_older_dismissal_does_not_replace_a_newer_one(store: Store) -> None:
    store.record([told(1, "dismissal", at=NOW)], now=NOW)
    store.record([told(2, "dismissal", at=NOW - HOUR, expires=NOW)], now=NOW)
    assert state(store).dismissals == (Dismissal(scope=DismissalScope.OFFER, value="o1", at=NOW),)


def test_an_exposure_takes_the_place_of_its_reservation(store: Store) -> None:
    settle(store, settling("d1", "o1", "o2"))
    assert [one.offer_id for one in state(store).reservations] == ["o1", "o2"]
    store.record([told(1, "exposure", decision_id="d1")], now=NOW)
    assert [one.offer_id for one in state(store).reservations] == ["o2"]
    assert [one.offer_id for one in state(store).exposures] == ["o1"]


def test_late_exposures_are_counted_and_flagged(store: Store) -> None:
    settle(store, settling("d1", "o1"))
    events = [
        told("punctual", "exposure", at=NOW, offer_id="o5"),
        told("after its reservation", "exposure", at=NOW + 2 * HOUR, decision_id="d1"),
        told("old", "exposure", at=NOW, offer_id="o6"),
    ]
    assert store.record(events[:1], now=NOW + HOUR).late == 0
    assert store.record(events[1:], now=NOW + 2 * HOUR).late == 2
    assert len(state(store).exposures) == 3
    remarks = {held.event.event_id: held.remarks for held in store.access(ANNA).events}
    assert remarks == {"punctual": (), "after its reservation": ("late",), "old": ("late",)}


def test_exposures_over_a_cap_are_facts_and_flagged(store: Store) -> None:
    events = [told(n, "exposure", at=NOW - n * HOUR) for n in (30, 2, 1, 0)]
    recorded = store.record(events, now=NOW, caps=[per_offer(2)])
    assert (recorded.accepted, recorded.over_cap) == (4, 1)  # the first one is out of the window
    assert len(state(store).exposures) == 4


def test_a_purchase_is_no_activity_and_a_click_no_history(store: Store) -> None:
    before = state(store)
    store.record([Reported(event(1, (ANNA, "milk", 2, 1)))], now=NOW)
    assert state(store) == before
    store.record([told(2, "click")], now=NOW)
    assert len(store.read([ANNA], INDEX).histories.item) == 3


def test_activity_survives_a_load(store: Store) -> None:
    store.record([told(1, "exposure"), told(2, "dismissal", item="milk"), told(3, "click")], now=NOW)
    settle(store, settling("d1", "o7", arm="empty", remember_arm=True))
    before = state(store)
    load(store, people([(ANNA, "milk", 5, 1)]))
    assert state(store) == before
    assert before.arm == "empty"
