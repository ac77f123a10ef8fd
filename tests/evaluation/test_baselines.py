from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.evaluation.baselines import (
    Habit,
    baskets_since,
    buyers,
    by_habit,
    by_own_frequency,
    by_popularity,
    by_recent_popularity,
)
from recsys.evaluation.splits import Split, Window
from recsys.history import Histories, day_number
from recsys.ragged import Ragged

AS_OF = dt.date(2017, 11, 27)
ITEMS = 4
ROW = st.tuples(st.integers(0, ITEMS - 1), st.integers(1, 400))  # item, age in days
PEOPLE = st.lists(st.sets(ROW, max_size=6), min_size=1, max_size=5)
People = list[set[tuple[int, int]]]


def histories(people: People) -> Histories:
    rows = [sorted(rows, key=lambda row: (-row[1], row[0])) for rows in people]
    flat = [row for of_one in rows for row in of_one]
    offsets = np.cumsum([0, *(len(of_one) for of_one in rows)]).astype(np.int64)
    return Histories(
        tuple(f"subject {number}" for number in range(len(people))),
        offsets,
        np.array([item for item, _ in flat], np.int32),
        np.array([day_number(AS_OF) - age for _, age in flat], np.int32),
        np.ones(len(flat), np.float32),
        np.ones(len(flat), np.int32),
    )


def split(people: People) -> Split:
    """Everyone is judged, on nothing: baselines must not look."""
    made = histories(people)
    none = Ragged(np.zeros(len(people) + 1, np.int64), np.empty(0, np.int64))
    days = np.full(len(people), day_number(AS_OF))
    return Split(Window(AS_OF, 28), ITEMS, made, made, days, none, 0, 0.0)


def everyone(people: People) -> slice:
    return slice(0, len(people))


@given(PEOPLE)
def test_popularity_agrees_with_plain_loops(people: People) -> None:
    made = split(people)
    bought = [sum(any(item == wanted for item, _ in rows) for rows in people) for wanted in range(ITEMS)]
    recent = [
        sum(0.5 ** (age / 30) for rows in people for item, age in rows if item == wanted) for wanted in range(ITEMS)
    ]
    assert buyers(made.everyone, items=ITEMS).tolist() == bought
    for row in by_popularity(made)(everyone(people)):
        assert row.tolist() == bought
    for row in by_recent_popularity(made, 30.0)(everyone(people)):
        assert row == pytest.approx(recent)


@given(PEOPLE)
def test_own_frequency_is_in_the_order_of_days_and_then_of_popularity(people: People) -> None:
    bought = [sum(any(item == wanted for item, _ in rows) for rows in people) for wanted in range(ITEMS)]
    for row, scores in zip(people, by_own_frequency(split(people))(everyone(people)), strict=True):
        days = [sum(item == wanted for item, _ in row) for wanted in range(ITEMS)]
        expected = sorted(range(ITEMS), key=lambda item: (-days[item], -bought[item], item))
        assert np.argsort(-scores, kind="stable").tolist() == expected


@given(PEOPLE, st.booleans())
def test_habit_agrees_with_plain_loops(people: People, in_baskets: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    habit = Habit(12.0, in_baskets, 1.5, 84.0)
    recent = [
        sum(0.5 ** (age / 84) for rows in people for item, age in rows if item == wanted) for wanted in range(ITEMS)
    ]
    largest = max(recent) or 1
    for row, scores in zip(people, by_habit(split(people), habit)(everyone(people)), strict=True):
        ages = sorted({age for _, age in row})
        own = [
            sum(0.5 ** ((ages.index(age) if in_baskets else age) / 12) for item, age in row if item == wanted)
            for wanted in range(ITEMS)
        ]
        assert scores == pytest.approx(
            [mine + 1.5 * all_of / largest for mine, all_of in zip(own, recent, strict=True)]
        )


def test_a_subject_without_history_is_given_what_sells() -> None:
    made = split([set(), {(2, 10)}])
    scores = by_habit(made, Habit(84.0, in_baskets=False, prior=1.5, prior_half_life=84.0))(slice(0, 1))
    assert scores[0].tolist() == [0, 0, 1.5, 0]
    assert baskets_since(histories([set()])).tolist() == []
