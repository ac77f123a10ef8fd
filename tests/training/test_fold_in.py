"""The graph against the exact solution, on histories that nobody picked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from recsys.bundle import Bundle
from recsys.errors import ContractError
from recsys.history import ItemIndex
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.factorize import Factorization, Transform
from training.features.assemble import Lens
from training.features.fold_in import FoldIn
from training.graph.assemble import assemble
from training.rounding import rounded_fold

ITEMS = 40
EVERYTHING = np.arange(ITEMS)
SOME = EVERYTHING[::7]
History = dict[int, int]  # item to purchase days

histories = st.dictionaries(st.integers(0, ITEMS - 1), st.integers(1, 60), max_size=ITEMS)
batches = st.lists(histories, min_size=1, max_size=6)


@dataclass(frozen=True, repr=False)
class Pair:
    """The exact solution and the graph that ships."""

    fold: FoldIn
    scorer: Scorer


ROUNDED = "rounded"  # counts are transformed by log1p


@pytest.fixture(scope="module", params=[*Transform, ROUNDED])
def pair(request: pytest.FixtureRequest, bundle: Bundle) -> Pair:
    counts = np.random.default_rng(1).poisson(0.4, (80, ITEMS)).astype(np.float32)
    matrix = sparse.csr_matrix(counts)
    transform = Transform.LOG1P if request.param == ROUNDED else request.param
    model = Factorization(12, transform=transform, alpha=2.0, regularization=0.3, random_state=0)
    fold = FoldIn.of(model.fit(matrix), matrix)
    if request.param == ROUNDED:
        fold = rounded_fold(fold)
    return Pair(fold, scorer_of(bundle, fold, steps=16))


def scorer_of(bundle: Bundle, fold: FoldIn, *, steps: int) -> Scorer:
    """Of a graph without a ranker."""
    categories = np.zeros(ITEMS, np.int64)
    model = assemble(Lens(28.0, categories, fold), None, steps=steps)
    vocabulary = ItemIndex.of(str(item) for item in EVERYTHING)
    return Scorer(replace(bundle, model=model, vocabulary=vocabulary, categories=categories))


def padded(batch: list[History]) -> ModelHistories:
    """As `Scorer.fold` pads: to lengths in eights."""
    width = max(*(-(-len(history) // 8) * 8 for history in batch), 8, 8)
    days = max(*(-(-sum(history.values()) // 8) * 8 for history in batch), 8, 8)
    items = np.full((len(batch), width), ITEMS, np.int64)
    slots, quantities = np.zeros((len(batch), days), np.int64), np.zeros((len(batch), days), np.float32)
    for row, history in enumerate(batch):
        items[row, : len(history)] = list(history)
        total = sum(history.values())
        slots[row, :total] = np.repeat(np.arange(len(history)), list(history.values()))
        quantities[row, :total] = 1
    ages = np.where(quantities > 0, np.arange(days), 0).astype(np.float32)
    return ModelHistories(items, slots, ages, ages, quantities)


def arrays(history: History) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.array(list(history), np.int64), np.array(list(history.values()), np.float64)


def largest(differences: NDArray[np.floating]) -> float:
    return float(np.abs(differences).max(initial=0))


@given(batch=batches)
def test_scores_are_those_of_the_exact_solution(pair: Pair, batch: list[History]) -> None:
    scores = pair.scorer.score(padded(batch), EVERYTHING)
    for row, history in enumerate(batch):
        assert largest(scores[row] - pair.fold.scores(*arrays(history), EVERYTHING)) <= 1e-5


@given(batch=batches)
def test_contributions_are_exact_and_sum_to_the_scores(pair: Pair, batch: list[History]) -> None:
    contributions = pair.scorer.contributions(padded(batch), SOME)
    assert largest(contributions.sum(axis=2) - pair.scorer.affinities(padded(batch), SOME)) <= 1e-4
    for row, history in enumerate(batch):
        exact = pair.fold.contributions(*arrays(history), SOME)
        assert largest(contributions[row, :, : len(history)] - exact) <= 1e-5
        assert not contributions[row, :, len(history) :].any()


@given(batch=batches)
def test_company_changes_scores_by_a_millionth_at_most(pair: Pair, batch: list[History]) -> None:
    together = pair.scorer.score(padded(batch), EVERYTHING)
    alone = np.concatenate([pair.scorer.score(padded([history]), EVERYTHING) for history in batch])
    assert largest(together - alone) <= 1e-6


@given(history=histories, seed=st.integers(0, 9))
def test_the_order_of_a_history_does_not_matter(pair: Pair, history: History, seed: int) -> None:
    items = np.random.default_rng(seed).permutation(list(history))
    shuffled = {int(item): history[int(item)] for item in items}
    scores, others = (pair.scorer.score(padded([some]), EVERYTHING) for some in (history, shuffled))
    assert largest(scores - others) <= 1e-5


@pytest.mark.parametrize("pair", [Transform.LOG1P], indirect=True)
def test_everything_bought_daily_for_a_year_is_solved_too(pair: Pair) -> None:
    history = dict.fromkeys(range(ITEMS), 365)
    scores = pair.scorer.score(padded([history]), EVERYTHING)[0]
    assert largest(scores - pair.fold.scores(*arrays(history), EVERYTHING)) <= 1e-5


def test_without_a_history_every_score_is_zero(pair: Pair) -> None:
    assert not pair.scorer.score(padded([{}, {}]), EVERYTHING).any()
    assert not pair.scorer.contributions(padded([{}]), SOME).any()


def test_candidates_may_be_few_or_none_and_ascend(pair: Pair) -> None:
    given_ = padded([{1: 2, 5: 1}])
    everything = pair.scorer.score(given_, EVERYTHING)
    assert pair.scorer.score(given_, np.array([3, 7])) == pytest.approx(everything[:, [3, 7]], abs=1e-6)
    for wrong in ([7, 3], [3, 3]):
        with pytest.raises(ContractError, match="do not ascend"):
            pair.scorer.score(given_, np.array(wrong))
    assert pair.scorer.score(given_, np.empty(0, np.int64)).shape == (1, 0)


@pytest.mark.parametrize("pair", [Transform.LOG1P], indirect=True)
@pytest.mark.parametrize("wrong", [[-1, 0], [-1], [ITEMS], [3, ITEMS], [ITEMS + 5]])
def test_what_is_no_model_item_is_refused_and_never_ranked(pair: Pair, wrong: list[int]) -> None:
    given_, scorer = padded([{3: 2, 7: 1}]), pair.scorer
    for asked in (scorer.score, scorer.affinities, scorer.contributions):
        with pytest.raises(ContractError, match="do not exist"):
            asked(given_, np.array(wrong))
        with pytest.raises(ContractError, match="1-d int32, not 1-d int64"):
            asked(given_, np.array([3, 7], np.int32))


@pytest.mark.parametrize("pair", [Transform.LOG1P], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [([0, 4], "of type list"), (range(3), "of type range"), (4, "of type int"), (np.array([[0, 4]]), "2-d int64")],
)
def test_what_is_no_row_of_model_items_is_refused(pair: Pair, wrong: object, kind: str) -> None:
    asks: list[Callable[..., object]] = [pair.scorer.score, pair.scorer.affinities, pair.scorer.contributions]
    for asked in asks:
        with pytest.raises(ContractError, match=f"model items are {kind}, not 1-d int64"):
            asked(padded([{3: 2, 7: 1}]), wrong)


@pytest.mark.parametrize("pair", [Transform.LOG1P], indirect=True)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_statistics_that_are_no_numbers_are_refused_and_what_stood_stays(pair: Pair, wrong: float) -> None:
    scorer, before = pair.scorer, pair.scorer.items
    broken = scorer.statistics.with_columns(popularity_1d=pl.lit(wrong))
    with pytest.raises(ContractError, match="popularity_1d"):
        scorer.refresh(broken)
    with pytest.raises(ContractError, match="popularity_1d"):
        scorer.refreshed(broken)
    assert scorer.items is before


@pytest.mark.parametrize("pair", [Transform.LOG1P, Transform.SQRT, Transform.RAW], indirect=True)
def test_purchases_score_higher_the_more_days_they_have(pair: Pair) -> None:
    once, often = (pair.scorer.score(padded([{3: days}]), np.array([3]))[0, 0] for days in (1, 30))
    assert 0 < once < often <= 1


def test_the_graph_is_of_the_pinned_versions_and_free_dimensions(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.model)
    assert model.ir_version == 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 21)]
    shapes = {
        value.name: [dimension.dim_param for dimension in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "history_items": ["batch", "length"],
        "purchase_slots": ["batch", "purchases"],
        "purchase_ages": ["batch", "purchases"],
        "purchase_trips": ["batch", "purchases"],
        "purchase_quantities": ["batch", "purchases"],
        "item_statistics": ["items", "statistics"],
        "candidates": ["candidates"],
        "explained": ["explained"],
        "recalled": ["recalled"],
        "scores": ["batch", "candidates"],
        "affinities": ["batch", "recalled"],
        "contributions": ["batch", "explained", "length"],
    }


def test_too_few_steps_do_not_agree(bundle: Bundle, pair: Pair) -> None:
    careless = scorer_of(bundle, pair.fold, steps=1)
    history = {item: 1 + item for item in range(0, ITEMS, 2)}
    exact = pair.fold.scores(*arrays(history), EVERYTHING)
    assert np.abs(careless.score(padded([history]), EVERYTHING)[0] - exact).max() > 1e-3
