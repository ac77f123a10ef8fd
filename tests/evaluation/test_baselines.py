from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.evaluation.baselines import global_prior, gp_pop, own_frequency, popularity
from recsys.history import Histories, day_number

AS_OF = dt.date(2017, 11, 27)
ITEMS = 4
ROW = st.tuples(st.integers(0, ITEMS - 1), st.integers(1, 400))  # item, age in days
PEOPLE = st.lists(st.sets(ROW, max_size=6), min_size=1, max_size=5)


def histories(people: list[set[tuple[int, int]]]) -> Histories:
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


@given(PEOPLE)
def test_baselines_agree_with_plain_loops(people: list[set[tuple[int, int]]]) -> None:
    made = histories(people)
    buyers = [sum(any(item == wanted for item, _ in rows) for rows in people) for wanted in range(ITEMS)]
    own = [
        [sum(0.5 ** (age / 84) for item, age in rows if item == wanted) for wanted in range(ITEMS)] for rows in people
    ]
    everyone = [sum(of_one[wanted] for of_one in own) for wanted in range(ITEMS)]
    assert popularity(made, items=ITEMS).tolist() == buyers
    frequency = own_frequency(made, as_of=AS_OF, items=ITEMS)
    prior = global_prior(made, as_of=AS_OF, items=ITEMS)
    for row, of_one in enumerate(own):
        assert frequency[row] == pytest.approx(of_one)
        largest = max(everyone) or 1
        expected = [mine + 1.5 * all_of / largest for mine, all_of in zip(of_one, everyone, strict=True)]
        assert gp_pop(frequency, prior)[row] == pytest.approx(expected)


def test_twelve_weeks_halve_a_purchase() -> None:
    frequency = own_frequency(histories([{(0, 84), (1, 168), (1, 84)}]), as_of=AS_OF, items=2)
    assert frequency[0] == pytest.approx([0.5, 0.75])


def test_a_subject_without_history_is_given_the_prior() -> None:
    made = histories([set(), {(2, 10)}])
    prior = global_prior(made, as_of=AS_OF, items=ITEMS)
    scores = gp_pop(own_frequency(made, as_of=AS_OF, items=ITEMS), prior)
    assert scores[0].tolist() == [0, 0, 1.5, 0]
