"""The pooling rule: what it promises of whole and partial offers, and what its addends are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidate_map import CandidateMap
from recsys.history import Histories
from recsys.pooling import Coverage, apart, coverage, pool, popular
from recsys.ragged import Ragged

TODAY = 20_000
CODES = np.array([7, 7, 9, -1, 9, 9, 9], np.int32)  # two items of model item 7, four of 9, one of none
PARTS = np.array([0.5, 0.5, 0.25, 0, 0.25, 0.25, 0.25])
SCORES = np.array([[0.25, 0.5]], np.float32)  # of 7 and 9


def history(*bought: tuple[int, int]) -> Histories:
    """One person's purchases: item, and how many half-lives ago."""
    item, ages = (np.array([pair[place] for pair in bought], np.int32) for place in (0, 1))
    once = np.ones(len(bought))
    days = (TODAY - 168 * ages).astype(np.int32)
    return Histories(
        ("somebody",), np.array([0, len(bought)]), item, days, once.astype(np.float32), once.astype(np.int32)
    )


def pooled(offers: list[list[int]], *bought: tuple[int, int]) -> tuple[NDArray[np.float32], CandidateMap, Coverage]:
    candidates = CandidateMap.from_items(Ragged.of(offers), CODES, PARTS)
    found = coverage(history(*bought), candidates, TODAY)
    return pool(SCORES, found, candidates)[0], candidates, found


@pytest.fixture(params=[1, 40, 1 << 20])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many cells are worked on at once."""
    for module in ("candidate_map", "pooling"):
        monkeypatch.setattr(f"recsys.{module}.CELLS", request.param)
    return int(request.param)


def test_offers_of_whole_model_items_rank_as_the_model_does() -> None:
    found, *_ = pooled([[0, 1], [2, 4, 5, 6], [0, 1, 2, 4, 5, 6]], (0, 0), (0, 1), (2, 0))
    assert found == pytest.approx([0.25, 0.5, 0.75])


def test_scores_below_zero_expect_nothing_and_what_was_not_scored_is_not_known() -> None:
    """A bundle without a ranker has such scores: half an offer must not beat the whole one by them."""
    candidates = CandidateMap.from_items(Ragged.of([[0], [0, 1], [2], [0, 1, 2]]), CODES, PARTS)
    found = coverage(history((0, 0)), candidates, TODAY)
    assert pool(np.array([[-0.5, 0.5]], np.float32), found, candidates)[0] == pytest.approx([0, 0, 0.125, 0.125])
    unscored = pool(np.array([[0.5, -np.inf]], np.float32), found, candidates)[0]
    assert np.isneginf(unscored).tolist() == [False, False, True, True]


def test_an_offer_has_the_part_of_a_model_items_popularity_that_it_is_of_it() -> None:
    candidates = CandidateMap.from_items(Ragged.of([[0], [0, 1], [2, 4], [0, 2], [3]]), CODES, PARTS)
    shares = np.array([0.25, 0.5], np.float32)
    assert popular(shares, candidates) == pytest.approx([0.125, 0.25, 0.25, 0.25, -np.inf])
    shares[1] = -np.inf
    assert popular(shares, candidates) == pytest.approx([0.125, 0.25, -np.inf, 0.125, -np.inf])


@pytest.mark.usefixtures("few")
def test_wide_offers_are_worked_on_a_few_at_a_time() -> None:
    offers = [[0, 2], [], [0, 1, 2, 4], [3], [1, 5], [2]]
    found, *_ = pooled(offers, (0, 0), (2, 1))
    assert found == pytest.approx(
        [
            0.25 * 1.5 / 2 + 0.5 * 0.75 / 1.5,
            -np.inf,
            0.25 + 0.5 * 1 / 1.5,
            -np.inf,
            0.0625 + 0.125 / 1.5,
            0.5 * 0.75 / 1.5,
        ]
    )


def test_of_a_model_item_that_was_never_bought_an_offer_has_its_part() -> None:
    found, *_ = pooled([[0], [2], [2, 5]], (3, 0))
    assert found == pytest.approx([0.25 / 2, 0.5 / 4, 0.5 / 2])


def test_what_they_buy_of_a_model_item_tells_which_part_they_would_buy() -> None:
    found, *_ = pooled([[0], [1]], (0, 0), (0, 0), (0, 1), (1, 1))
    assert found == pytest.approx([0.25 * (2.5 + 0.5) / 4, 0.25 * (0.5 + 0.5) / 4])


def test_without_a_model_item_the_rate_is_what_counts_and_without_a_purchase_nothing_is_known() -> None:
    found, *_ = pooled([[3], [1, 3]], *[(3, 0)] * 6)
    assert found == pytest.approx([0.5, 0.5 + 0.125])
    found, *_ = pooled([[3], [1, 3]], (0, 0))
    assert found[0] == -np.inf
    assert found[1] == pytest.approx(0.25 * 0.5 / 2)


def test_a_score_is_what_having_bought_it_adds_and_the_rest_of_its_model_items() -> None:
    offers = [[0, 2], [1, 3], [0, 1], [3], [6]]
    found, candidates, counted = pooled(offers, (0, 0), (2, 1), (3, 0), (3, 1))
    rows, listed = np.zeros(5, np.int64), np.arange(5)
    taken = apart(SCORES, counted, candidates, rows, listed)
    assert taken.best == [9, 7, 7, -1, 9]
    own, chance = 0.25 * 1 / 2, 1 - 2 ** (-1.5 / 6)
    assert taken.bought == pytest.approx([own + 0.5 * 0.5 / 1.5, chance, own, chance, 0])
    assert taken.other_share == pytest.approx([0.25 / 1.5, 0.5 / 2, 1 / 2, 0, 0.25 / 1.5])
    for place in (1, 2, 3, 4):  # one model item at most: nothing else adds to the score
        score = {7: 0.25, 9: 0.5, -1: 0.0}[taken.best[place]]
        assert taken.bought[place] + taken.other_share[place] * score == pytest.approx(found[place])
    first, second = taken.split(np.array([0, 2, 5]))
    assert (first.best, second.best) == ([9, 7], [7, -1, 9])
    assert (len(first.other_share), len(second.bought)) == (2, 3)


def test_the_best_model_item_is_the_one_that_adds_most_bought_or_not() -> None:
    _, candidates, counted = pooled([[0, 2, 4, 5, 6], [0, 1, 2]], (0, 0))
    rows = np.zeros(2, np.int64)
    assert apart(SCORES, counted, candidates, rows, np.array([0, 1])).best == [9, 7]


def test_a_person_is_scored_alone_as_in_company(few: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 40, 300).astype(np.int32)
    offers = CandidateMap.from_items(
        Ragged.of(np.unique(rng.integers(0, 300, 30)) for _ in range(50)), codes, rng.random(300)
    )
    people = [history(*((int(item), int(age)) for item, age in rng.integers(0, (300, 4), (25, 2)))) for _ in range(9)]
    together = Histories(
        tuple(map(str, range(9))),
        np.arange(10) * 25,
        *(np.concatenate([getattr(one, name) for one in people]) for name in ("item", "day", "quantity", "baskets")),
    )
    scores = rng.random((9, len(offers.candidates)), np.float32)
    counted = coverage(together, offers, TODAY)
    found = pool(scores, counted, offers)
    rows, listed = np.repeat(np.arange(9), 3), np.tile([4, 2, 7], 9)
    taken = apart(scores, counted, offers, rows, listed)
    for row, one in enumerate(people):
        known = coverage(one, offers, TODAY)
        assert (pool(scores[row : row + 1], known, offers)[0] == found[row]).all()
        own = apart(scores[row : row + 1], known, offers, np.zeros(3, np.int64), listed[:3])
        assert own.bought.tolist() == taken.bought[3 * row : 3 * row + 3].tolist()
        assert own.best == taken.best[3 * row : 3 * row + 3]
    several = [hits for hits in counted.hits(offers) if hits.subjects.stop - hits.subjects.start > 1]
    assert all(len(hits.row) <= few for hits in several)
    assert bool(several) is (few > 40)
