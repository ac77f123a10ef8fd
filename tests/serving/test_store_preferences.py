"""What every store does with what people say, and what a load may change of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lines import ANNA, BELA, NOW, load, people
from support.told import HOUR, filled, no, yes

from recsys.contracts.preferences import NewDismissal, PreferencesChange
from recsys.contracts.state import DismissalScope
from recsys.errors import ContractError
from recsys.history import ItemIndex
from serving.stores import Store, open_store

INDEX = ItemIndex.of(["beer"])


@pytest.fixture
def store(store: Store) -> Store:
    return filled(store)


def consents(store: Store, subject: str = ANNA) -> set[str]:
    return set(store.read([subject], INDEX).states[0].consents)


def say(store: Store, subject: str = ANNA, **change: object) -> None:
    store.change_preferences(subject, PreferencesChange(**change), now=NOW)  # type: ignore[arg-type]


def test_a_consent_has_a_time_and_a_source(store: Store) -> None:
    assert store.preferences(ANNA).consents["profiling"].source == "load"
    say(store, consents={"profiling": no(source="gpc"), "channel:app": yes()})
    held = store.preferences(ANNA).consents
    assert (held["profiling"], held["channel:app"]) == (no(source="gpc"), yes())
    assert consents(store) == {"channel:email", "channel:app"}
    assert consents(store, BELA) == set()


def test_a_change_is_known_to_everyone_at_once(store: Store, url: str) -> None:
    other = open_store(url)
    say(store, consents={"profiling": no()})
    assert "profiling" not in consents(other)
    other.close()


def test_a_yes_dated_ahead_does_not_hold_against_the_next_no(store: Store) -> None:
    say(store, consents={"profiling": yes(NOW + HOUR), "channel:email": no(NOW + HOUR)})
    assert store.preferences(ANNA).consents["profiling"] == yes()
    say(store, consents={"profiling": no(), "channel:email": yes()})
    assert consents(store) == set()  # a no from the future withholds, and stands


def test_the_later_word_holds_in_whatever_order_it_arrives(store: Store) -> None:
    number = iter(range(1000))

    @settings(max_examples=10)
    @given(words=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=4), data=st.data())
    def check(words: list[tuple[int, bool]], data: st.DataObject) -> None:
        purpose = f"channel:c{next(number)}"
        for hours, granted in data.draw(st.permutations(words)):
            at = NOW - hours * HOUR
            say(store, consents={purpose: yes(at) if granted else no(at)})
        latest = min(hours for hours, _ in words)
        granted = all(said for hours, said in words if hours == latest)
        assert (purpose in consents(store)) == granted

    check()


def test_interests_take_the_place_of_those_before(store: Store) -> None:
    say(store, interests=("wine", "cheese"))
    say(store, consents={"training": yes()})
    assert store.read([ANNA], INDEX).states[0].interests == ("wine", "cheese")
    say(store, interests=())
    assert store.read([ANNA], INDEX).states[0].interests == ()


def test_dismissals_stand_until_they_are_taken_back(store: Store) -> None:
    category = NewDismissal(scope=DismissalScope.CATEGORY, value="BEERS/ALES", reason="pregnant-no-thanks")
    say(store, dismiss=(category, NewDismissal(scope=DismissalScope.BRAND, value="Nosuch", expires=NOW + HOUR)))
    first, second = store.preferences(ANNA).dismissals
    assert (first.value, first.reason, second.expires) == ("BEERS/ALES", "pregnant-no-thanks", NOW + HOUR)
    say(store, undo=(first.dismissal_id, "0" * 16))
    assert [one.value for one in store.read([ANNA], INDEX).states[0].dismissals] == ["Nosuch"]
    store.change_preferences(ANNA, PreferencesChange(), now=NOW + HOUR)  # what has expired goes
    assert store.preferences(ANNA).dismissals == ()


def test_no_dismissal_is_dropped_to_make_room(store: Store) -> None:
    for start in range(0, 1000, 100):
        news = [NewDismissal(scope=DismissalScope.ITEM, value=f"i{start + n}") for n in range(100)]
        say(store, dismiss=tuple(news))
    with pytest.raises(ContractError, match="more than 1000"):
        say(store, dismiss=(NewDismissal(scope=DismissalScope.ITEM, value="one more"),))
    assert len(store.preferences(ANNA).dismissals) == 1000


def test_a_load_does_not_give_back_what_was_withdrawn_nor_take_what_was_given(store: Store) -> None:
    say(store, consents={"profiling": no(), "channel:app": yes()})
    load(store, people([(ANNA, "beer", 0, 2)], {ANNA: ["profiling", "training"]}))
    assert consents(store) == {"training", "channel:app"}  # e-mail was loaded, never spoken about, and is gone


def test_what_people_say_stands_in_the_log(store: Store) -> None:
    say(store, consents={"profiling": no()}, interests=("wine",))
    say(store, consents={"training": yes()})
    changes = store.access(ANNA).changes
    assert [change.kind for change in changes] == ["consent", "preferences", "consent"]
    assert b'"profiling":{"granted":false' in bytes(changes[0].change)
    assert store.audit.verify().faults == ()
