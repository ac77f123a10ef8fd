"""What every store does. A new implementation is added to STORES in conftest.py and has to pass all of this."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lines import ANNA, BELA, CARA, DAY, NOW, Line, event, load, people, purchases, record
from support.tokens import token

from recsys.contracts.state import EMPTY_STATE, State
from recsys.contracts.token import Lineage
from recsys.history import MAX_ROWS, Histories, ItemIndex, day_number, histories
from serving.stores import People, Recorded, Store, StoreError, open_store

INDEX = ItemIndex.of(["beer", "milk", "bread", "wine"])


def rows(known: Histories) -> list[tuple[str, str, int, float, int]]:
    """Subject, item, days after DAY, quantity and baskets of every row."""
    return [
        (known.subjects[owner], INDEX.names[item], int(day) - day_number(DAY), float(quantity), int(baskets))
        for owner, item, day, quantity, baskets in zip(
            known.rows_of, known.item, known.day, known.quantity, known.baskets, strict=True
        )
    ]


def read(store: Store, *subjects: str) -> list[tuple[str, str, int, float, int]]:
    return rows(store.read(subjects, INDEX).histories)


def test_nothing_is_accepted_before_the_first_load(store: Store, url: str) -> None:
    assert store.lineages() == frozenset()
    with pytest.raises(StoreError, match="Load first"):
        open_store(url)


def test_what_was_loaded_is_known(store: Store, url: str) -> None:
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "milk", 1, 1), (BELA, "milk", 1, 3)]))
    assert store.lineages() == {Lineage("rec", "01")}
    opened = open_store(url)
    opened.check()
    for each in (store, opened):
        known = each.read([BELA, ANNA], INDEX)
        assert known.histories.subjects == (BELA, ANNA)
        assert rows(known.histories) == [(BELA, "milk", 1, 3, 1), (ANNA, "beer", 0, 2, 1), (ANNA, "milk", 1, 1, 1)]
        assert known.states == (EMPTY_STATE, State(consents=frozenset({"profiling", "channel:email"})))
    opened.close()


def test_everything_in_the_subjects_contract_is_kept(store: Store) -> None:
    subjects = pl.DataFrame(
        {
            "subject": [ANNA, BELA],
            "consents": [["channel:app", "training"], []],
            "adult": [True, None],
            "interests": [["wine", "cheese"], None],
            "store": ["17", None],
            "region": [None, "north"],
        }
    )
    load(store, People(Lineage("rec", "01"), subjects, people([(BELA, "milk", 0, 1)]).daily))
    assert store.read([ANNA, BELA], INDEX).states == (
        State(consents=frozenset({"channel:app", "training"}), adult=True, interests=("wine", "cheese"), store="17"),
        State(region="north"),
    )


def test_of_a_stranger_nothing_is_known(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    known = store.read([CARA, ANNA, CARA], INDEX)
    assert known.states[0] == known.states[2] == EMPTY_STATE
    assert rows(known.histories) == [(ANNA, "beer", 0, 2, 1)]
    assert store.read([], INDEX).histories.subjects == ()


def test_the_same_subject_may_be_asked_for_twice(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    known = store.read([ANNA, ANNA], INDEX)
    assert known.states[0] == known.states[1] != EMPTY_STATE
    assert rows(known.histories) == [(ANNA, "beer", 0, 2, 1)] * 2


def test_histories_speak_of_the_items_that_were_asked_for(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "milk", 1, 1)]))
    assert read(store, ANNA) == [(ANNA, "beer", 0, 2, 1), (ANNA, "milk", 1, 1, 1)]
    other = ItemIndex.of(["bread", "milk"])
    assert store.read([ANNA], other).histories.item.tolist() == [1]
    record(store, event(1, (ANNA, "bread", 2, 1)))  # an item that the store has not met before
    assert store.read([ANNA], other).histories.item.tolist() == [1, 0]
    assert read(store, ANNA)[-1] == (ANNA, "bread", 2, 1, 1)


def test_readers_of_two_catalogues_take_turns(store: Store) -> None:
    """As while another catalogue takes the place of one that requests under way still hold."""
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "milk", 1, 1)]))
    other = ItemIndex.of(["milk", "new", "beer"])
    store.prepare(other)
    for _ in range(2):
        assert [INDEX.names[item] for item in store.read([ANNA], INDEX).histories.item] == ["beer", "milk"]
        assert [other.names[item] for item in store.read([ANNA], other).histories.item] == ["beer", "milk"]
    record(store, event(1, (ANNA, "bread", 2, 1)))
    store.prepare(INDEX)
    assert [INDEX.names[item] for item in store.read([ANNA], INDEX).histories.item] == ["beer", "milk", "bread"]
    assert [other.names[item] for item in store.read([ANNA], other).histories.item] == ["beer", "milk"]


def test_an_event_is_known_at_once_and_to_everyone(store: Store, url: str) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    other = open_store(url)
    assert read(other, ANNA) == [(ANNA, "beer", 0, 2, 1)]
    assert record(store, event(1, (ANNA, "wine", 3, 1)), event(2, (BELA, "beer", 4, 5))) == Recorded(2, 0)
    for each in (store, other):
        assert read(each, ANNA, BELA) == [(ANNA, "beer", 0, 2, 1), (ANNA, "wine", 3, 1, 1), (BELA, "beer", 4, 5, 1)]
    other.close()


def test_a_purchase_gives_nobody_a_consent(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    before = store.read([ANNA], INDEX).states
    record(store, event(1, (ANNA, "milk", 1, 1)), event(2, (CARA, "milk", 1, 1)))
    assert store.read([ANNA, CARA], INDEX).states == (*before, EMPTY_STATE)


def test_an_event_counts_once(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    first, second = event(1, (ANNA, "milk", 1, 1)), event(2, (ANNA, "milk", 1, 1))
    assert record(store, first, first) == Recorded(accepted=1, duplicates=1)
    assert record(store, first, second, first) == Recorded(accepted=1, duplicates=2)
    assert record(
        store,
    ) == Recorded(accepted=0, duplicates=0)
    assert read(store, ANNA)[1] == (ANNA, "milk", 1, 2, 2)


def test_lines_of_one_receipt_are_one_basket(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))
    receipts = [token("r1"), token("r1"), token("r2"), token("r2")]
    items = ["milk", "milk", "milk", "wine"]
    record(store, *(event(n, (ANNA, items[n], 1, 1), basket=receipts[n]) for n in range(4)))
    assert read(store, ANNA)[1:] == [(ANNA, "milk", 1, 3, 2), (ANNA, "wine", 1, 1, 1)]


def test_a_return_takes_back_the_newest_purchase_before_it(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2), (ANNA, "beer", 2, 1), (ANNA, "beer", 5, 1)]))
    record(store, event(1, (ANNA, "beer", 3, -2)))
    assert read(store, ANNA) == [(ANNA, "beer", 0, 1, 1), (ANNA, "beer", 5, 1, 1)]


def test_a_return_may_arrive_before_its_purchase(store: Store) -> None:
    load(store, people([(ANNA, "bread", 0, 1)]))
    record(store, event(1, (ANNA, "beer", 3, -1)))
    assert read(store, ANNA) == [(ANNA, "bread", 0, 1, 1)]
    record(store, event(2, (ANNA, "beer", 2, 1)))
    assert read(store, ANNA) == [(ANNA, "bread", 0, 1, 1)]


def test_what_is_weighed_and_returned_whole_leaves_nothing(store: Store) -> None:
    load(store, people([(ANNA, "bread", 0, 1)]))
    weighed = [(ANNA, "wine", 1, 1.1), (ANNA, "wine", 2, 2.2), (ANNA, "wine", 3, -3.3)]
    weighed += [(ANNA, "beer", 1, quantity) for quantity in (1.1, 2.2, -3.3)]
    record(store, *(event(number, line) for number, line in enumerate(weighed)))
    assert read(store, ANNA) == [(ANNA, "bread", 0, 1, 1)]


LINES = st.lists(
    st.tuples(
        st.sampled_from([ANNA, BELA]),
        st.sampled_from(INDEX.names),
        st.integers(0, 4),
        st.sampled_from([1.0, 2.0, 3.0, -1.0, -2.0, -5.0]),
    ),
    min_size=1,
    max_size=14,
)


def test_the_order_of_arrival_does_not_matter(store: Store) -> None:
    """In any order, in any batches, some of them twice: the history is that of the purchases as a whole."""
    load(store, people([], {CARA: []}))
    examples = itertools.count()

    @settings(max_examples=20)
    @given(lines=LINES, data=st.data())
    def check(lines: list[Line], data: st.DataObject) -> None:
        example = next(examples)  # of people of its own
        named = {name: token(f"{name} {example}") for name in (ANNA, BELA, CARA)}
        lines = [(named[subject], item, days, quantity) for subject, item, days, quantity in lines]
        events = [event(f"{example}.{number}", line) for number, line in enumerate(lines)]
        again = data.draw(st.lists(st.sampled_from(events), max_size=4))
        arriving = data.draw(st.permutations([*events, *again]))
        cut = data.draw(st.integers(0, len(arriving)))
        first, second = record(store, *arriving[:cut]), record(store, *arriving[cut:])
        assert first.accepted + second.accepted == len(events)
        assert first.duplicates + second.duplicates == len(again)
        same(store, lines, [named[BELA], named[CARA], named[ANNA]], "baskets")

    check()


def test_a_load_knows_what_offline_evaluation_knows(store: Store) -> None:
    @settings(max_examples=20)
    @given(lines=LINES)
    def check(lines: list[Line]) -> None:
        load(store, people(lines))
        same(store, lines, [BELA, CARA, ANNA])

    check()


def same(store: Store, lines: list[Line], asked: list[str], *but: str) -> None:
    """The store's histories are those that `recsys` makes of the lines."""
    known = store.read(asked, INDEX).histories
    whole = histories(purchases(lines), INDEX, subjects=asked)
    for field in {"offsets", "item", "day", "quantity", "baskets"} - set(but):
        np.testing.assert_array_equal(getattr(known, field), getattr(whole, field), err_msg=field)


def test_the_newest_rows_are_kept(store: Store) -> None:
    days = MAX_ROWS + 10
    load(store, people([(ANNA, "milk", day - days, 1) for day in range(days)]))
    assert len(read(store, ANNA)) == MAX_ROWS
    record(store, event(1, (ANNA, "milk", 0, 1)), event(2, (ANNA, "milk", -2 * days, 1)))
    kept = read(store, ANNA)
    assert (len(kept), kept[-1][2], kept[0][2]) == (MAX_ROWS, 0, 1 - MAX_ROWS)


def test_loading_again_replaces_everyone(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2), (BELA, "milk", 0, 1)]))
    record(store, event(1, (ANNA, "milk", 1, 1)), event(2, (BELA, "milk", 1, 1)))
    load(store, people([(BELA, "wine", 0, 4)], {BELA: ["profiling"]}))
    assert store.lineages() == {Lineage("rec", "01")}
    assert store.read([ANNA, BELA], INDEX).states == (EMPTY_STATE, State(consents=frozenset({"profiling"})))
    # What was loaded before is gone; what came as an event on a day that the file does not reach is still known.
    assert read(store, ANNA, BELA) == [(ANNA, "milk", 1, 1, 1), (BELA, "wine", 0, 4, 1), (BELA, "milk", 1, 1, 1)]
    assert record(store, event(1, (ANNA, "milk", 1, 1)), event(2, (BELA, "milk", 1, 1))) == Recorded(0, 2)
    # The next file reaches that day, and so has to know of it.
    load(store, people([(BELA, "wine", 0, 4), (BELA, "milk", 1, 1)], {BELA: ["profiling"]}))
    assert read(store, ANNA, BELA) == [(BELA, "wine", 0, 4, 1), (BELA, "milk", 1, 1, 1)]


def test_a_load_that_fails_changes_nothing(store: Store) -> None:
    load(store, people([(ANNA, "beer", 0, 2)]))

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.load(people([(BELA, "wine", 0, 4)], {BELA: ["profiling"]}, epoch="02"), now=NOW, progress=interrupted)
    assert store.lineages() == {Lineage("rec", "01")}
    assert read(store, ANNA, BELA) == [(ANNA, "beer", 0, 2, 1)]
    assert record(store, event(1, (BELA, "milk", 1, 1))) == Recorded(1, 0)


def test_a_load_tells_how_far_it_is(store: Store) -> None:
    told: list[int] = []
    store.load(people([(ANNA, "beer", 0, 2), (BELA, "milk", 0, 1)]), now=NOW, progress=told.append)
    assert sum(told) == 2


def test_concurrent_events_are_all_counted_once(store: Store, url: str) -> None:
    load(store, people([(ANNA, "bread", 0, 1)]))
    batches = [[event(f"{n}.{k}", (ANNA, "beer", n % 5, 1)) for k in range(5)] for n in range(20)]
    others = [open_store(url) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:  # every batch comes twice, by different connections
        outcomes = list(pool.map(lambda n: record([*others, store][n % 4], *batches[n % 20]), range(40)))
    for other in others:
        other.close()
    assert sum(outcome.accepted for outcome in outcomes) == 100
    assert sum(outcome.duplicates for outcome in outcomes) == 100
    assert [row[3] for row in read(store, ANNA) if row[1] == "beer"] == [20.0] * 5
