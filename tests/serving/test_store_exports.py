"""What every store writes for the other stages is what it answers itself."""

from __future__ import annotations

import polars as pl
import pytest
from support.lines import ANNA, BELA, CARA, NOW, event, load, people, record
from support.tokens import token
from support.told import BEER, filled, no, settle, settling, told, yes

from recsys.contracts.event import EVENTS
from recsys.contracts.preferences import PreferencesChange
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from recsys.history import ItemIndex, histories
from serving.stores import Store

INDEX = ItemIndex.of(["beer", "milk", "wine"])


@pytest.fixture
def store(store: Store) -> Store:
    """Anna and Bela were loaded, Cara came by events."""
    filled(store)
    load(store, people([(ANNA, "beer", 0, 2), (BELA, "wine", 3, 1.5)], {ANNA: ["profiling", "channel:email"]}))
    record(store, event(1, (ANNA, "milk", 5, 1)), event(2, (CARA, "milk", 5, 1)), event(3, (ANNA, "milk", 6, -1)))
    store.record([told(4, "exposure", decision_id="d1"), told(5, "dismissal", reason="enough")], now=NOW)
    settle(store, settling("d2", "o2", arm="popular", remember_arm=True))
    store.change_preferences(ANNA, PreferencesChange(consents={"profiling": no(), "training": yes()}), now=NOW)
    return store


def test_subjects_are_written_with_the_consents_that_hold(store: Store) -> None:
    table = pl.concat(list(store.exports.subjects()))
    assert SUBJECTS.checked(table, where="here").equals(table)
    agreed = dict(zip(table["subject"], table["consents"].to_list(), strict=True))
    assert agreed == {ANNA: ["channel:email", "training"], BELA: [], CARA: []}


def test_states_are_those_that_decisions_are_made_from(store: Store) -> None:
    written = {line.subject: line.state for part in store.exports.states() for line in part}
    assert [written[name] for name in (ANNA, BELA, CARA)] == list(store.read([ANNA, BELA, CARA], INDEX).states)
    assert (len(written[ANNA].exposures), len(written[ANNA].reservations), written[ANNA].arm) == (1, 1, "popular")


def test_purchases_make_the_same_histories(store: Store) -> None:
    table = pl.concat(list(store.exports.purchases()))
    assert PURCHASES.checked(table, where="here").equals(table)
    asked = [ANNA, BELA, CARA]
    whole, known = histories(table, INDEX, subjects=asked), store.read(asked, INDEX).histories
    for field in ("offsets", "item", "day", "quantity"):
        assert getattr(whole, field).tolist() == getattr(known, field).tolist()


def test_events_are_written_as_they_came(store: Store) -> None:
    table = pl.concat(list(store.exports.events())).sort("event_id")
    assert EVENTS.checked(table, where="here").equals(table)
    rows = table.to_dicts()
    assert [row["event_id"] for row in rows] == ["4", "5", "e1", "e2", "e3"]
    assert (rows[0]["type"], rows[0]["at"], rows[0]["received"], rows[0]["categories"]) == (
        "exposure",
        NOW,
        NOW,
        [*BEER],
    )
    assert (rows[1]["reason"], rows[2]["item"], rows[2]["quantity"], rows[4]["type"]) == (
        "enough",
        "milk",
        1.0,
        "return",
    )


@pytest.mark.slow
def test_of_many_people_each_is_written_once(store: Store) -> None:
    """More than fit into one part, some of them only loaded and some only heard of."""
    crowd = [token(number) for number in range(5_200)]
    load(store, people([(name, "beer", 0, 1) for name in crowd], {crowd[0]: ["profiling"]}))
    subjects = pl.concat(list(store.exports.subjects()))["subject"]
    assert subjects.is_unique().all()
    assert set(subjects) == {*crowd, ANNA, CARA}
    assert sum(len(part) for part in store.exports.purchases()) == 5_200 + 1


def test_old_events_may_go_and_what_they_did_stays(store: Store) -> None:
    before = store.read([ANNA], INDEX)
    assert store.prune_events(NOW) == 0
    assert store.prune_events(NOW.replace(hour=23)) == 5
    after = store.read([ANNA], INDEX)
    assert after.states == before.states
    assert after.histories.item.tolist() == before.histories.item.tolist()
