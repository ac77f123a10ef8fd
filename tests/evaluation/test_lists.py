from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.evaluation.lists import top_lists
from recsys.top_k import top_k

SCORE = st.sampled_from([0.0, 1.0, 2.0, -1.0, 0.5, math.inf, -math.inf, math.nan])
CELL = st.tuples(SCORE, st.booleans())


@st.composite
def grids(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = draw(st.integers(0, 4)), draw(st.integers(1, 8))
    cells = [[draw(CELL) for _ in range(columns)] for _ in range(rows)]
    scores = np.array([[score for score, _ in row] for row in cells], np.float32).reshape(rows, columns)
    allowed = np.array([[able for _, able in row] for row in cells], np.bool_).reshape(rows, columns)
    return scores, allowed


@given(grids(), st.integers(1, 10))
def test_every_row_is_what_top_k_says(grid: tuple[np.ndarray, np.ndarray], k: int) -> None:
    scores, allowed = grid
    lists = top_lists(scores, k, allowed=allowed)
    assert lists.shape == (len(scores), k)
    for row, listed in enumerate(lists):
        expected = top_k(scores[row], allowed[row], k).tolist()
        assert listed.tolist() == expected + [-1] * (k - len(expected))


@given(grids(), st.integers(1, 10))
def test_without_a_mask_everything_is_allowed(grid: tuple[np.ndarray, np.ndarray], k: int) -> None:
    scores, _ = grid
    assert (top_lists(scores, k) == top_lists(scores, k, allowed=np.ones(scores.shape, np.bool_))).all()


def test_the_scores_given_are_left_as_they_were() -> None:
    scores = np.array([[1.0, 3.0, 2.0]])
    top_lists(scores, 2, allowed=np.array([[True, False, True]]))
    assert scores.tolist() == [[1.0, 3.0, 2.0]]
