from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from training.factorize import Factorization, Transform, noise_edge


def tastes(subjects: int, items: int, kinds: int, seed: int = 0) -> sparse.csr_matrix:
    """Everyone buys from one kind of items, and now and then something else."""
    rng = np.random.default_rng(seed)
    same = np.arange(subjects)[:, None] % kinds == np.arange(items)[None] % kinds
    return sparse.csr_matrix(rng.poisson(np.where(same, 1.0, 0.1)).astype(np.float32))


COUNTS = tastes(60, 36, 3)


def test_it_is_an_estimator_as_scikit_learn_knows_them() -> None:
    model = Factorization(12, regularization=0.4, alpha=2.0, transform="sqrt", iterations=3, random_state=5)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.get_params() == {
        "factors": 12,
        "regularization": 0.4,
        "alpha": 2.0,
        "transform": "sqrt",
        "iterations": 3,
        "random_state": 5,
    }
    fitted = copy.set_params(factors=7).fit(COUNTS)
    assert fitted is copy
    assert fitted.item_factors_.shape == (36, 7)
    assert fitted.item_factors_.dtype == np.float32
    assert fitted.n_features_in_ == 36


def test_a_fit_leaves_its_input_alone_and_can_be_repeated() -> None:
    before = COUNTS.copy()
    model = Factorization(8, random_state=1)
    first = model.fit(COUNTS).item_factors_.copy()
    assert (before != COUNTS).nnz == 0
    assert np.array_equal(model.fit(COUNTS).item_factors_, first)
    assert not np.array_equal(Factorization(8, random_state=2).fit(COUNTS).item_factors_, first)


@pytest.mark.parametrize("transform", Transform)
def test_it_stands_where_no_alternation_leads_further(transform: Transform) -> None:
    """Both halves solved exactly, in double precision and plain sight, move nothing: a fixed point of the method."""
    model = Factorization(4, transform=transform, regularization=0.3, iterations=60, random_state=0).fit(COUNTS)
    factors = model.item_factors_.astype(np.float64)
    counts = COUNTS.toarray().astype(np.float64)
    weight = np.where(counts > 0, 1 + model.alpha * transform(counts), 1.0)
    people = alternate(weight, counts > 0, factors, model.regularization_)
    again = alternate(weight.T, counts.T > 0, people, model.regularization_)
    assert np.abs(people @ again.T - people @ factors.T).max() < 2e-3


def alternate(weight: np.ndarray, bought: np.ndarray, others: np.ndarray, regularization: float) -> np.ndarray:
    """Rows x = (Σ c·v·vᵀ + λI)⁻¹ Σ c·p·v, over all columns v."""
    size = others.shape[1]
    return np.stack(
        [
            np.linalg.solve((others.T * row) @ others + regularization * np.eye(size), others.T @ (row * liked))
            for row, liked in zip(weight, bought, strict=True)
        ]
    )


def test_regularisation_is_a_share_of_what_noise_reaches() -> None:
    rng = np.random.default_rng(0)
    noise = sparse.csr_matrix((rng.random((400, 100)) < 0.1).astype(np.float32) * rng.choice([-1, 1], (400, 100)))
    largest = np.linalg.svd(noise.toarray(), compute_uv=False)[0]
    assert noise_edge(noise) == pytest.approx(largest, rel=0.1)


@pytest.mark.parametrize("scale", [1, 4])
def test_it_finds_as_many_tastes_as_there_are_at_any_size(scale: int) -> None:
    model = Factorization(16, random_state=0).fit(tastes(60 * scale, 36 * scale, 3))
    strengths = np.linalg.svd(model.item_factors_, compute_uv=False)
    assert (strengths > 0.1 * strengths[0]).sum() == 3
