from __future__ import annotations

import doctest
import importlib
import math

import ir_measures
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recsys.evaluation.metrics import (
    ACCURACY,
    METRICS,
    Judged,
    coverage,
    ndcg,
    novelty,
    popularity_bias,
    precision,
    recall,
)
from recsys.evaluation.report import words

ITEMS = 8


@st.composite
def judged_lists(draw: st.DrawFn) -> tuple[list[list[int]], list[set[int]], int]:
    """Lists of at most k different items, and what was relevant; at least one item is, for everybody."""
    k = draw(st.integers(1, ITEMS))
    subjects = draw(st.integers(1, 4))
    some = st.lists(st.integers(0, ITEMS - 1), max_size=k, unique=True)
    return (
        [draw(some) for _ in range(subjects)],
        [draw(st.sets(st.integers(0, ITEMS - 1), min_size=1)) for _ in range(subjects)],
        k,
    )


def judged(lists: list[list[int]], relevant: list[set[int]], k: int) -> Judged:
    padded = np.array([row + [-1] * (k - len(row)) for row in lists], np.int64).reshape(-1, k)
    flags = np.array([[item in wanted for item in range(ITEMS)] for wanted in relevant])
    return Judged.of(padded, flags)


def slow(name: str, row: list[int], wanted: set[int], k: int) -> float:
    """The metric of one subject, in plain loops."""
    hits = [place for place, item in enumerate(row[:k], start=1) if item in wanted]
    if name == "precision":
        return len(hits) / k
    if name == "recall":
        return len(hits) / min(len(wanted), k)
    if name == "map":
        return sum((number + 1) / place for number, place in enumerate(hits)) / min(len(wanted), k)
    best = sum(1 / math.log2(place + 1) for place in range(1, min(len(wanted), k) + 1))
    return sum(1 / math.log2(place + 1) for place in hits) / best


@given(judged_lists())
def test_metrics_agree_with_plain_loops_and_stay_between_0_and_1(
    case: tuple[list[list[int]], list[set[int]], int],
) -> None:
    lists, relevant, k = case
    for name, metric in ACCURACY.items():
        values = metric(judged(lists, relevant, k))
        expected = [slow(name, row, wanted, k) for row, wanted in zip(lists, relevant, strict=True)]
        assert values == pytest.approx(expected, abs=1e-12)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


@given(st.sets(st.integers(0, ITEMS - 1), min_size=1), st.integers(1, ITEMS))
def test_a_perfect_list_reaches_1_however_much_was_relevant(wanted: set[int], k: int) -> None:
    rest = sorted(set(range(ITEMS)) - wanted)
    perfect = judged([(sorted(wanted) + rest)[:k]], [wanted], k)
    assert ndcg(perfect)[0] == pytest.approx(1)
    assert recall(perfect)[0] == 1
    assert precision(perfect)[0] == min(len(wanted), k) / k


@given(st.permutations(range(ITEMS)), st.data())
def test_what_stands_below_k_changes_nothing(order: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, ITEMS - 1))
    below = data.draw(st.permutations(order[k:]))
    wanted = data.draw(st.sets(st.integers(0, ITEMS - 1), min_size=1))
    for metric in ACCURACY.values():
        assert metric(judged([order[:k]], [wanted], k)) == metric(judged([(order[:k] + below)[:k]], [wanted], k))


@given(st.permutations(range(ITEMS)), st.sets(st.integers(0, ITEMS - 1), min_size=1), st.integers(0, ITEMS - 2))
def test_moving_a_right_item_up_by_one_never_lowers_ndcg(order: list[int], wanted: set[int], place: int) -> None:
    before = ndcg(judged([order], [wanted], ITEMS))[0]
    swapped = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
    after = ndcg(judged([swapped], [wanted], ITEMS))[0]
    if order[place + 1] in wanted and order[place] not in wanted:
        assert after > before
    if order[place + 1] not in wanted and order[place] in wanted:
        assert after < before


def test_ndcg_by_hand() -> None:
    # Right in places 2 and 3 of 3, two relevant: (1/log2 3 + 1/log2 4) / (1/log2 2 + 1/log2 3)
    hits = np.array([[False, True, True]])
    assert ndcg(Judged(hits, np.array([2])))[0] == pytest.approx((0.6309298 + 0.5) / (1 + 0.6309298), abs=1e-6)
    assert recall(Judged(hits, np.array([9])))[0] == pytest.approx(2 / 3)
    assert precision(Judged(hits, np.array([9])))[0] == pytest.approx(2 / 3)


def test_a_short_list_has_empty_places_not_hits() -> None:
    empty = Judged.of(np.array([[-1, -1]]), np.array([[True, True]]))
    assert [metric(empty)[0] for metric in ACCURACY.values()] == [0, 0, 0, 0]


def test_nobody_without_anything_relevant_is_judged() -> None:
    with pytest.raises(ValueError, match="something relevant"):
        Judged(np.array([[False]]), np.array([0]))
    with pytest.raises(ValueError, match="names one twice"):
        Judged.of(np.array([[1, 1]]), np.array([[False, True]]))


@given(judged_lists())
def test_what_lists_are_like_agrees_with_plain_loops(case: tuple[list[list[int]], list[set[int]], int]) -> None:
    lists, _, k = case
    padded = np.array([row + [-1] * (k - len(row)) for row in lists], np.int64).reshape(-1, k)
    popularity = np.linspace(0.05, 1, ITEMS)
    own = np.linspace(0, 1, len(lists))
    bits = [sum(-math.log2(popularity[item]) for item in row) / len(row) if row else 0 for row in lists]
    bias = [
        sum(popularity[item] for item in row) / len(row) - mine if row else 0
        for row, mine in zip(lists, own, strict=True)
    ]
    assert novelty(padded, popularity) == pytest.approx(bits)
    assert popularity_bias(padded, popularity, own) == pytest.approx(bias)
    assert coverage(padded, ITEMS) == len({item for row in lists for item in row}) / ITEMS


@settings(max_examples=20)
@given(judged_lists())
def test_an_independent_library_finds_the_same(case: tuple[list[list[int]], list[set[int]], int]) -> None:
    """ir-measures (TREC's own evaluation). It divides recall and MAP by all that is relevant, we by k at most."""
    lists, relevant, k = case
    assume(all(lists))  # it leaves out those with an empty list
    mine = judged(lists, relevant, k)
    by_k = np.minimum(mine.relevant, k) / mine.relevant
    theirs = {
        ir_measures.nDCG @ k: ACCURACY["ndcg"](mine),
        ir_measures.P @ k: ACCURACY["precision"](mine),
        ir_measures.R @ k: ACCURACY["recall"](mine) * by_k,
        ir_measures.AP @ k: ACCURACY["map"](mine) * by_k,
    }
    qrels = [ir_measures.Qrel(str(s), f"d{item}", 1) for s, wanted in enumerate(relevant) for item in wanted]
    run = [
        ir_measures.ScoredDoc(str(subject), f"d{item}", -place)
        for subject, row in enumerate(lists)
        for place, item in enumerate(row)
    ]
    found = {
        (result.measure, int(result.query_id)): result.value
        for result in ir_measures.iter_calc(list(theirs), qrels, run)
    }
    for measure, values in theirs.items():
        assert [found[measure, subject] for subject in range(len(lists))] == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("name", ["ndcg", "recall", "precision", "average_precision", "beyond"])
def test_the_worked_examples_in_the_docstrings_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"recsys.evaluation.metrics.{name}"))
    assert results.attempted >= (3 if name == "beyond" else 1)
    assert results.failed == 0


def test_every_metric_is_named_where_people_read() -> None:
    assert set(METRICS) == set(words.METRICS)
