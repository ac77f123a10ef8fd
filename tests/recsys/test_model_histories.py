"""Histories as the graph takes them, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ContractError
from recsys.history import Histories
from recsys.model_histories import ModelHistories, fold_histories

CODES = np.array([0, 1, -1, 1, 2], np.int32)  # items 1 and 3 are one model item, item 2 is none
MODEL_ITEMS = 3
TODAY = 100
Row = tuple[int, int, float]  # day, item, quantity

rows = st.tuples(st.integers(60, TODAY), st.integers(0, len(CODES) - 1), st.sampled_from([0.5, 1.0, 3.0]))
people = st.lists(st.lists(rows, max_size=12, unique_by=lambda row: row[:2]).map(sorted), min_size=1, max_size=4)


def histories(people: list[list[Row]]) -> Histories:
    lines = [row for person in people for row in person]
    columns = list(zip(*lines, strict=True)) or [(), (), ()]
    return Histories(
        tuple(str(number) for number in range(len(people))),
        np.cumsum([0, *(len(person) for person in people)]),
        np.array(columns[1], np.int32),
        np.array(columns[0], np.int32),
        np.array(columns[2], np.float32),
        np.ones(len(lines), np.int32),
    )


@given(people=people)
def test_every_purchase_day_is_told_once(people: list[list[Row]]) -> None:
    folded = fold_histories(histories(people), CODES, items=MODEL_ITEMS, as_of=TODAY)
    folded.check(MODEL_ITEMS)
    for row, person in enumerate(people):
        expected: dict[tuple[int, int], float] = {}
        for day, item, quantity in person:
            if CODES[item] >= 0:
                expected[int(CODES[item]), day] = expected.get((int(CODES[item]), day), 0.0) + quantity
        days = sorted({day for _, day in expected})
        bought = folded.quantities[row] > 0
        found = {
            (int(folded.items[row, slot]), TODAY - int(age)): (float(quantity), int(trip))
            for slot, age, trip, quantity in zip(
                folded.slots[row, bought],
                folded.ages[row, bought],
                folded.trips[row, bought],
                folded.quantities[row, bought],
                strict=True,
            )
        }
        assert bought.sum() == len(found)
        assert found == {
            (item, day): (quantity, len(days) - 1 - days.index(day)) for (item, day), quantity in expected.items()
        }
        listed = folded.items[row][folded.items[row] < MODEL_ITEMS]
        assert sorted(listed) == sorted({item for item, _ in expected})
        assert folded.known[row] == bool(expected)


@given(people=people)
def test_a_slice_is_what_those_alone_would_be(people: list[list[Row]]) -> None:
    together = fold_histories(histories(people), CODES, items=MODEL_ITEMS, as_of=TODAY)
    for row, person in enumerate(people):
        alone = fold_histories(histories([person]), CODES, items=MODEL_ITEMS, as_of=TODAY)
        part = together.rows(slice(row, row + 1))
        for name in ("items", "slots", "ages", "trips", "quantities"):
            assert np.array_equal(getattr(part, name), getattr(alone, name)), name


def test_each_may_have_a_day_of_its_own_and_what_comes_after_it_is_new() -> None:
    both = histories([[(90, 0, 1.0)], [(90, 0, 1.0)]])
    folded = fold_histories(both, CODES, items=MODEL_ITEMS, as_of=np.array([95, 80]))
    assert folded.ages[:, 0].tolist() == [5, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("ages", "trips", "quantities") for value in (np.nan, np.inf, -1.0)),
        ("items", -1),
        ("items", MODEL_ITEMS + 1),
        ("slots", -1),
        ("slots", 99),
    ],
)
def test_what_cannot_be_ranked_is_refused(name: str, value: float) -> None:
    good = fold_histories(histories([[(90, 0, 1.0), (91, 1, 1.0)]]), CODES, items=MODEL_ITEMS, as_of=TODAY)
    wrong = getattr(good, name).copy()
    wrong[0, 0] = value
    broken: ModelHistories = replace(good, **{name: wrong})
    with pytest.raises(ContractError, match="a history holds"):
        broken.check(MODEL_ITEMS)


@pytest.mark.parametrize("listed", [[1, 1], [0, 2, 0], [2, MODEL_ITEMS, 2]])
def test_an_item_is_listed_once(listed: list[int]) -> None:
    good = fold_histories(
        histories([[(90, 0, 1.0), (91, 1, 1.0), (92, 4, 1.0)]]), CODES, items=MODEL_ITEMS, as_of=TODAY
    )
    shuffled, twice = np.full_like(good.items, MODEL_ITEMS), np.full_like(good.items, MODEL_ITEMS)
    shuffled[0, [0, 1, 3]] = [2, 0, 1]
    twice[0, : len(listed)] = listed
    replace(good, items=shuffled).check(MODEL_ITEMS)
    with pytest.raises(ContractError, match="twice"):
        replace(good, items=twice).check(MODEL_ITEMS)
