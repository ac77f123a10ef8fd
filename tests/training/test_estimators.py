"""Estimators refuse what means nothing, before and after they have learned, as scikit-learn's do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from training.baselines import EASE, ItemKNN
from training.factorize import Factorization
from training.features.fold_in import FoldIn
from training.ranker import Ranker

COUNTS = sparse.csr_matrix(np.random.default_rng(0).poisson(0.5, (30, 12)).astype(np.float32))
ROWS = np.random.default_rng(1).normal(0, 1, (200, 3)).astype(np.float32)
BOUGHT = ROWS[:, 0] > 0
OfCounts = Factorization | ItemKNN | EASE
OF_COUNTS: list[OfCounts] = [Factorization(4, iterations=2, random_state=0), ItemKNN(3), EASE(5.0)]
SMALL = Ranker((4,), seeds=1, epochs=2, resample=200)


@pytest.mark.parametrize("model", OF_COUNTS, ids=lambda model: type(model).__name__)
class TestOfCounts:
    """Item-kNN, EASE and the factorization."""

    def test_scores_are_of_all_items_once_it_has_learned(self, model: OfCounts) -> None:
        model = clone(model)
        with pytest.raises(NotFittedError):
            model.predict(COUNTS)
        scores = model.fit(COUNTS).predict(COUNTS[:5])
        assert scores.shape == (5, 12)
        assert np.isfinite(scores).all()
        assert model.n_features_in_ == 12

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
    def test_what_are_no_counts_is_refused(self, model: OfCounts, wrong: float) -> None:
        broken = COUNTS.copy()
        broken.data[3] = wrong
        with pytest.raises(ValueError, match=r"NaN|infinity|negative"):
            clone(model).fit(broken)
        with pytest.raises(ValueError, match=r"NaN|infinity|negative"):
            clone(model).fit(COUNTS).predict(broken)

    @pytest.mark.parametrize("nothing", [COUNTS[:0], 0 * COUNTS, np.zeros((3, 12))], ids=["nobody", "zeros", "dense"])
    def test_where_nothing_was_bought_there_is_nothing_to_learn(
        self, model: OfCounts, nothing: sparse.csr_matrix
    ) -> None:
        with pytest.raises(ValueError, match=r"nothing was bought|0 sample"):
            clone(model).fit(nothing)
        learned = clone(model).fit(COUNTS)
        assert learned.predict(nothing).shape == nothing.shape
        assert not learned.predict(nothing).any()

    def test_sizes_may_be_numpys(self, model: OfCounts) -> None:
        sizes = {name: np.int64(3) for name in ("factors", "iterations", "neighbours") if name in model.get_params()}
        assert np.isfinite(clone(model).set_params(**sizes).fit(COUNTS).predict(COUNTS)).all()

    def test_counts_of_other_items_are_refused(self, model: OfCounts) -> None:
        with pytest.raises(ValueError, match="12"):
            clone(model).fit(COUNTS).predict(COUNTS[:, :5])

    def test_a_pair_in_two_parts_is_one_and_a_zero_is_none(self, model: OfCounts) -> None:
        parts = COUNTS.tocoo()
        halves = np.concatenate([parts.data / 2, parts.data / 2, [0.0]]).astype(np.float32)
        row, column = (
            np.concatenate([where, where, [int(at)]]) for where, at in zip(parts.coords, _zero(), strict=True)
        )
        order = np.argsort(row, kind="stable")
        offsets = np.searchsorted(row[order], np.arange(COUNTS.shape[0] + 1))
        written = sparse.csr_matrix((halves[order], column[order], offsets), shape=COUNTS.shape)
        assert written.nnz == 2 * COUNTS.nnz + 1
        one, other = (clone(model).fit(counts).predict(COUNTS) for counts in (COUNTS, written))
        assert other == pytest.approx(one, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "name", "values"),
    [
        (OF_COUNTS[0], "factors", (0, -1, 2.5, "8", True, None)),
        (OF_COUNTS[0], "iterations", (0, 2.5, "8")),
        (OF_COUNTS[0], "regularization", (0.0, -1.0, np.nan, np.inf, "8", None)),
        (OF_COUNTS[0], "alpha", (-1.0, np.nan, "8", None)),
        (OF_COUNTS[1], "neighbours", (0, 2.5, "8")),
        (OF_COUNTS[1], "shrink", (-1.0, np.nan, "8")),
        (OF_COUNTS[2], "regularization", (0.0, -1.0, np.nan, "8")),
    ],
)
def test_parameters_that_mean_nothing_are_refused(model: OfCounts, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=name):
            clone(model).set_params(**{name: value}).fit(COUNTS)


def test_what_nobody_bought_is_near_to_nothing() -> None:
    unsold = COUNTS.copy().tolil()
    unsold[:, 4] = 0
    weights = ItemKNN(3, shrink=0.0).fit(unsold.tocsr()).weights_
    assert not weights[4].any()
    assert np.isfinite(weights).all()


def test_the_factorization_scores_as_a_history_is_folded_in() -> None:
    model = clone(OF_COUNTS[0]).fit(COUNTS)
    fold, scores = FoldIn.of(model, COUNTS), model.predict(COUNTS)
    for subject in range(COUNTS.shape[0]):
        row = COUNTS[subject]
        assert scores[subject] == pytest.approx(fold.scores(row.indices, row.data, np.arange(12)), abs=1e-9)
    assert not model.predict(sparse.csr_matrix((1, 12))).any()


def test_a_ranker_needs_no_weights_and_no_seed() -> None:
    with pytest.raises(NotFittedError):
        clone(SMALL).predict(ROWS)
    plain, weighted = clone(SMALL).fit(ROWS, BOUGHT), clone(SMALL).fit(ROWS, BOUGHT, np.ones(len(ROWS)))
    assert np.array_equal(plain.predict(ROWS), weighted.predict(ROWS))
    anew = clone(SMALL).set_params(random_state=None)
    assert not np.array_equal(anew.fit(ROWS, BOUGHT).predict(ROWS), anew.fit(ROWS, BOUGHT).predict(ROWS))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        *(({name: wrong}, name) for name in ("seeds", "epochs", "resample") for wrong in (0, 1.5, "2")),
        *(({"hidden": wrong}, "hidden") for wrong in ((), (8, 0), (8, 2.5), 8, "8")),
    ],
)
def test_a_ranker_refuses_parameters_that_mean_nothing(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clone(SMALL).set_params(**changed).fit(ROWS, BOUGHT)


@pytest.mark.parametrize("weight", [np.zeros(200), np.full(200, -1.0), np.full(200, np.nan), np.ones(3)])
def test_a_ranker_refuses_rows_that_mean_nothing(weight: np.ndarray) -> None:
    with pytest.raises(ValueError, match="weights"):
        clone(SMALL).fit(ROWS, BOUGHT, weight)
    broken = np.where(np.arange(3) == 1, np.nan, ROWS)
    with pytest.raises(ValueError, match="NaN"):
        clone(SMALL).fit(broken, BOUGHT)
    with pytest.raises(ValueError, match="true or false"):
        clone(SMALL).fit(ROWS, 2 * BOUGHT.astype(int) - 1)


def _zero() -> tuple[int, int]:
    """Where nothing was bought."""
    row, column = np.argwhere(COUNTS.toarray() == 0)[0]
    return int(row), int(column)
