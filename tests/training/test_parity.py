from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import sparse
from support.commands import assert_clear_failure
from support.tastes import Shop, Train

from recsys.bundle import Bundle, load_bundle
from recsys.errors import BundleError
from recsys.history import ItemIndex
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training import agreeing
from training.factorize import Factorization
from training.features.assemble import FEATURES, Lens
from training.features.fold_in import FoldIn
from training.graph.assemble import assemble
from training.parity import TOLERANCES, Native, agrees, parity
from training.ranker import Ranker
from training.rounding import rounded, smaller

ITEMS = 30
COUNTS = sparse.csr_matrix(np.random.default_rng(2).poisson(0.5, (300, ITEMS)).astype(np.float32))
FOLD = FoldIn.of(Factorization(8, regularization=0.3, random_state=0).fit(COUNTS), COUNTS)
LENS = Lens(20.0, np.arange(ITEMS) % 4, FOLD)


def histories(people: int = 100) -> ModelHistories:
    """Anything that a history can be, the empty one among them."""
    rng = np.random.default_rng(3)
    items = np.full((people, 16), ITEMS)
    slots = np.zeros((people, 40), np.int64)
    ages, trips, quantities = (np.zeros((people, 40), np.float32) for _ in range(3))
    for row in range(1, people):
        length = rng.integers(1, 17)
        items[row, :length] = rng.choice(ITEMS, length, replace=False)
        days = rng.integers(length, 41)
        slots[row, :days] = np.sort(np.concatenate([np.arange(length), rng.integers(0, length, days - length)]))
        trips[row, :days] = rng.integers(0, 30, days)
        ages[row, :days] = trips[row, :days] * 3 + 1
        quantities[row, :days] = rng.integers(1, 5, days)
    return ModelHistories(items, slots, ages, trips, quantities)


def learned_ranker() -> Ranker:
    """From rows of numbers drawn at random, of the size that features have."""
    rng = np.random.default_rng(4)
    rows = rng.normal(0, 2, (2_000, len(FEATURES))).astype(np.float32)
    ranker = Ranker((8, 4), seeds=2, epochs=2, resample=1_000)
    return ranker.fit(rows, rows[:, 0] + rows[:, 20] > 0, np.ones(2_000))


RANKER = learned_ranker()
NATIVE = Native(LENS, RANKER)
LARGEST = np.copysign(np.finfo(np.float32).max, np.random.default_rng(0).normal(size=FOLD.item_factors.shape))


@pytest.fixture
def draft(bundle: Bundle) -> Bundle:
    names = ItemIndex.of(str(item) for item in range(ITEMS))
    statistics = bundle.statistics.head(12).with_columns(item=pl.Series(names.names[:12]))
    return replace(bundle, vocabulary=names, categories=LENS.categories, statistics=statistics)


@pytest.mark.parametrize("native", [NATIVE, rounded(NATIVE)], ids=["float32", "int8"])
def test_a_faithful_graph_agrees(draft: Bundle, native: Native) -> None:
    figures = parity(replace(draft, model=assemble(native.lens, RANKER, steps=8)), native, histories())
    assert agrees(figures)
    assert (figures["histories"], figures["same_top"]) == (100, 1)


@pytest.mark.parametrize("lens", [LENS, rounded(NATIVE).lens], ids=["float32", "int8"])
def test_so_does_one_without_a_ranker(draft: Bundle, lens: Lens) -> None:
    assert agrees(parity(replace(draft, model=assemble(lens, None, steps=8)), Native(lens, None), histories()))


def test_rounding_is_noticed_by_whoever_expects_exact_factors(draft: Bundle) -> None:
    small = rounded(NATIVE)
    assert not agrees(parity(replace(draft, model=assemble(small.lens, RANKER, steps=8)), NATIVE, histories()))
    assert not agrees(parity(replace(draft, model=assemble(LENS, RANKER, steps=8)), small, histories()))


@pytest.mark.parametrize("asked", [np.arange(ITEMS), np.arange(3, ITEMS, 4), np.array([7])])
def test_other_candidates_and_company_change_a_score_by_a_millionth_at_most(
    draft: Bundle, asked: NDArray[np.int64]
) -> None:
    scorer, given = Scorer(replace(draft, model=assemble(LENS, RANKER, steps=8))), histories(40)
    together = scorer.score(given, np.arange(ITEMS))[:, asked]
    alone = [scorer.score(given.rows(slice(row, row + 1)), asked) for row in range(len(given))]
    assert np.allclose(np.concatenate(alone), together, rtol=0, atol=TOLERANCES["batch_difference"])
    assert len(np.unique(together)) > together.size / 2


def test_of_no_candidates_there_are_no_scores(draft: Bundle) -> None:
    scorer = Scorer(replace(draft, model=assemble(LENS, RANKER, steps=8)))
    assert scorer.score(histories(3), np.empty(0, np.int64)).shape == (3, 0)


def test_factors_that_are_not_numbers_make_no_graph() -> None:
    lens = replace(LENS, fold=replace(FOLD, item_factors=FOLD.item_factors * np.float32(np.nan)))
    with pytest.raises(BundleError, match="not a number"):
        assemble(lens, RANKER, steps=8)


@pytest.mark.parametrize("name", [*TOLERANCES, "same_top"])
def test_a_difference_that_is_not_a_number_does_not_agree(name: str) -> None:
    figures = {**dict.fromkeys(TOLERANCES, 0.0), "same_top": 1.0}
    assert agrees(figures)
    assert not agrees(figures | {name: float("nan")})


@pytest.mark.parametrize("decay", [2.0, 8.0])
def test_counts_may_decay(draft: Bundle, decay: float) -> None:
    lens = replace(LENS, fold=replace(FOLD, decay=decay))
    model = assemble(lens, RANKER, steps=8)
    assert agrees(parity(replace(draft, model=model), Native(lens, RANKER), histories()))
    assert not agrees(parity(replace(draft, model=model), NATIVE, histories()))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FOLD, alpha=FOLD.alpha * 1.001),
        replace(FOLD, regularization=FOLD.regularization * 1.001),
        replace(FOLD, item_factors=np.roll(FOLD.item_factors, 1, axis=0)),
    ],
)
def test_another_model_in_the_graph_is_noticed(draft: Bundle, wrong: FoldIn) -> None:
    model = assemble(replace(LENS, fold=wrong), RANKER, steps=16)
    assert not agrees(parity(replace(draft, model=model), NATIVE, histories()))


@pytest.mark.slow  # fifty graphs
@pytest.mark.parametrize("place", range(len(FEATURES)), ids=FEATURES)
def test_every_feature_is_in_the_graph(draft: Bundle, place: int) -> None:
    """A ranker that looks a little differently at one feature gives other scores."""
    other = learned_ranker()
    other.mean_ = RANKER.mean_ + 0.05 * (np.arange(len(FEATURES)) == place)
    model = assemble(LENS, other, steps=8)
    assert agrees(parity(replace(draft, model=model), Native(LENS, other), histories(20)))
    assert not agrees(parity(replace(draft, model=model), NATIVE, histories(20)))


def test_another_time_scale_is_noticed(draft: Bundle) -> None:
    model = assemble(replace(LENS, tau=21.0), RANKER, steps=8)
    assert not agrees(parity(replace(draft, model=model), NATIVE, histories()))


def test_an_impatient_solver_is_noticed(draft: Bundle) -> None:
    assert not agrees(parity(replace(draft, model=assemble(LENS, RANKER, steps=1)), NATIVE, histories()))


def exactly(draft: Bundle) -> agreeing.Draft:
    """What stands before factors are rounded."""
    return agreeing.agreeing([agreeing.Draft(draft, NATIVE, ("Said before",))], histories(30))


def test_where_no_graph_answers_as_the_rounded_model_the_exact_one_ships(
    draft: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = exactly(draft)
    monkeypatch.setattr(agreeing, "SOLVER_STEPS", (1,))
    assert_kept(exact, smaller(exact, histories(30)))


def test_no_ranker_is_given_up_for_rounded_factors(draft: Bundle) -> None:
    """Of a rounded model whose ranker no graph answers as, the factorization alone is not what ships."""
    exact, unheard = exactly(draft), learned_ranker()
    unheard.scale_ = np.full_like(unheard.scale_, np.nan)
    assert_kept(exact, smaller(replace(exact, native=Native(LENS, unheard)), histories(30)))


@pytest.mark.parametrize(
    ("factors", "why"),
    [
        (FOLD.item_factors * np.nan, "the factorization: holds what is not a number"),
        (FOLD.item_factors * 0 + 1e12, "Matrix is not positive definite"),
        (LARGEST, "the rounded factorization: holds what is not a number"),
    ],
    ids=["not numbers", "all alike", "too large when rounded"],
)
def test_a_rounded_model_that_cannot_be_computed_does_not_end_the_fit(
    draft: Bundle, factors: NDArray[np.floating], why: str
) -> None:
    exact = exactly(draft)
    broken = Native(replace(LENS, fold=replace(FOLD, item_factors=factors.astype(np.float32))), RANKER)
    with pytest.raises((BundleError, np.linalg.LinAlgError)):
        rounded(broken)
    kept = smaller(replace(exact, native=broken), histories(30))
    assert_kept(exact, kept, f"the rounded model cannot be computed ({why}")


def assert_kept(
    exact: agreeing.Draft, kept: agreeing.Draft, why: str = "no graph answers as the rounded model does"
) -> None:
    """It is the exact one, and both its manifest and a warning say so."""
    before, after = exact.bundle.manifest, kept.bundle.manifest
    assert kept.bundle.model == exact.bundle.model
    assert (before.configuration["ranker"], before.parity) == ("mlp", after.parity)
    assert after.configuration == before.configuration | {"item_table": "float32"}
    said, warning = kept.warnings
    assert said == "Said before"
    assert warning.startswith(f"Factors are not rounded to int8: {why}")


def test_more_steps_are_taken_where_few_do_not_do(
    shop: Shop, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreeing, "SOLVER_STEPS", (1, 9))
    done = train("fit", *shop.options(tmp_path), "--json")
    assert load_bundle(done.bundle, trust=shop.trust).manifest.configuration["solver_steps"] == 9


def test_a_graph_that_never_agrees_is_not_written(
    shop: Shop, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreeing, "SOLVER_STEPS", (1,))
    done = train("fit", *shop.options(tmp_path / "models"))
    assert_clear_failure(done, "differs from the model", "score_difference")
    assert not (tmp_path / "models").exists()
