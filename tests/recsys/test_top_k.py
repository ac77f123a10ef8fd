from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import top_k as module
from recsys.ragged import Ragged, in_order
from recsys.top_k import Ties, best_of, rows_at_once, top_k

SCORE = st.sampled_from([0.0, 1.0, 2.0, -1.0, math.inf, -math.inf, math.nan])
ALLOWED = st.sampled_from([True, True, True, False])


@given(
    st.lists(st.tuples(SCORE, ALLOWED, st.integers(0, 1)), max_size=6)
    | st.lists(st.tuples(SCORE, ALLOWED, st.integers(0, 1)), min_size=12, max_size=20),  # more than k are able
    st.integers(1, 3) | st.integers(1, 14),
)
def test_top_k_is_a_sort_of_what_is_allowed(rows: list[tuple[float, bool, int]], k: int) -> None:
    scores = np.array([score for score, *_ in rows], np.float32)
    allowed = np.array([able for _, able, _ in rows], np.bool_)
    priority = np.array([first for *_, first in rows], np.int64)
    able = [p for p in range(len(rows)) if rows[p][1] and math.isfinite(rows[p][0])]
    expected = sorted(able, key=lambda p: (-rows[p][0], -rows[p][2], p))[:k]
    assert top_k(scores, allowed, k, priority).tolist() == expected


LARGEST = float(np.finfo(np.float32).max)
ROW = st.lists(
    st.tuples(st.sampled_from([0.0, -0.0, 1.0, 1e-45, -1e-45, LARGEST, -LARGEST]), st.booleans()),
    min_size=7,
    max_size=7,
)


@given(st.lists(ROW, min_size=1, max_size=5), st.lists(st.integers(-2, 2), min_size=7, max_size=7), st.integers(1, 9))
def test_a_batch_is_ranked_as_its_rows(rows: list[list[tuple[float, bool]]], first: list[int], k: int) -> None:
    scores = np.array([[score for score, _ in row] for row in rows], np.float32)
    able = np.array([[flag for _, flag in row] for row in rows], np.bool_)
    priority = np.array(first, np.int64)
    best = best_of(scores, able, k, Ties.of(priority))
    for row in range(len(rows)):
        expected = top_k(scores[row], able[row], 7, priority).tolist()
        assert best.of(row).tolist()[:k] == expected[:k]
        assert best.of(row).tolist() == expected[: len(best.of(row))]


@given(st.lists(ROW, min_size=1, max_size=5), st.integers(35, 37))
def test_a_batch_too_large_for_one_sort_is_ranked_in_parts(rows: list[list[tuple[float, bool]]], bits: int) -> None:
    scores = np.array([[score for score, _ in row] for row in rows], np.float32)
    able = np.array([[flag for _, flag in row] for row in rows], np.bool_)
    ties = Ties.of(np.zeros(7, np.int64))
    whole = best_of(scores, able, 3, ties)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_KEY_BITS", bits)
        assert rows_at_once(7) == 1 << (bits - 35)
        parts = best_of(scores, able, 3, ties)
    assert parts.offsets == whole.offsets
    assert parts.positions.tolist() == whole.positions.tolist()


@given(st.integers(2, 2**31))
def test_row_score_and_tie_fit_into_one_number(size: int) -> None:
    largest = (rows_at_once(size) << 32) - 1  # the last row with the lowest score
    ties = (size - 1).bit_length()
    assert largest << ties < 2**63 <= 2 * (largest + 1) << ties


def test_more_candidates_than_can_be_numbered_are_refused() -> None:
    with pytest.raises(ValueError, match="more than a ranking can number"):
        rows_at_once(2**31 + 1)


NUMBERS = st.sampled_from([0, 1, 2, -1, 2**31 - 1, -(2**31), 2**40, -(2**40)])


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=12))
def test_rows_are_put_in_order_however_wide_their_columns(rows: list[tuple[int, int, int]]) -> None:
    order = in_order(*np.array(rows, np.int64).reshape(-1, 3).T)
    assert [rows[position] for position in order.tolist()] == sorted(rows)
    assert sorted(order.tolist()) == list(range(len(rows)))


@pytest.mark.parametrize("k", [1, 2])
def test_the_lowest_score_of_all_is_one(k: int) -> None:
    scores, able = np.array([[-LARGEST, -LARGEST]], np.float32), np.array([[False, True]])
    assert best_of(scores, able, k, Ties.of(np.zeros(2, np.int64))).of(0).tolist() == [1]


def test_forbidden_items_do_not_fill_up_a_short_list() -> None:
    scores = np.array([3.0, 2.0, 1.0], np.float32)
    assert top_k(scores, np.array([False, True, False]), 3).tolist() == [1]
    assert top_k(scores, np.zeros(3, np.bool_), 3).tolist() == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=6))
def test_ragged_rows_behave_as_lists(rows: list[list[int]]) -> None:
    ragged = Ragged.of(rows)
    scores = np.arange(6, dtype=np.float32)
    assert [ragged.row(number).tolist() for number in range(len(ragged))] == rows
    assert ragged.max_of(scores).tolist() == [max(row, default=-math.inf) for row in rows]
    assert ragged.any_of(scores > 3).tolist() == [any(value > 3 for value in row) for row in rows]
    turned = ragged.transposed(6)
    assert [turned.row(value).tolist() for value in range(6)] == [
        [number for number, row in enumerate(rows) for other in row if other == value] for value in range(6)
    ]
    if rows:
        picked = np.array([len(rows) - 1, 0])
        values, owners = ragged.take(picked)
        assert values.tolist() == rows[-1] + rows[0]
        assert owners.tolist() == [0] * len(rows[-1]) + [1] * len(rows[0])
