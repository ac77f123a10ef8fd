"""Matrix factorization on implicit feedback (Hu, Koren and Volinsky, 2008), in scikit-learn's manner."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_random_state
from threadpoolctl import threadpool_limits

from training.checking import check_parameters, check_sizes, checked_counts

Float = TypeVar("Float", np.float32, np.float64)

_SPREAD: Final = 0.1  # of the factors that an alternation starts from: about what they end with
_ROUNDING: Final = 1e-6  # where λ leaves nothing to learn, factors end below it and point anywhere


class Transform(StrEnum):
    """What becomes of a count before it weighs. Each keeps zero at zero, so that padding weighs nothing."""

    LOG1P = "log1p"
    SQRT = "sqrt"
    RAW = "raw"
    BINARY = "binary"

    def __call__(self, counts: NDArray[Float]) -> NDArray[Float]:
        """Transform counts, none of them below zero."""
        if self is Transform.RAW:
            return counts
        if self is Transform.BINARY:
            return np.asarray(counts > 0, counts.dtype)
        return np.asarray(np.log1p(counts) if self is Transform.LOG1P else np.sqrt(counts), counts.dtype)


class Factorization(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Item factors v that minimise Σ c(u,i)·(p(u,i) - x(u)·v(i))² + λ·(Σ‖x(u)‖² + Σ‖v(i)‖²).

    p is 1 where u bought i, else 0; c = 1 + alpha·t(count) where u bought i, else 1. The subjects' factors x are found
    on the way and thrown away: a subject is folded in when asked about.

    λ = regularization · ‖c·p‖_F·(1/√subjects + 1/√items). The product on the right is about the largest singular value
    of a matrix of noise of that size and density (Marchenko and Pastur, 1967), below which there is nothing to learn:
    so one setting serves data of any size, where a plain number makes all factors vanish on small data. The choice of
    values, and why weak regularisation is a privacy fault: docs/adr/0002.

    Args:
        factors: The length of a factor.
        regularization: λ as a share of that product.
        alpha: How much a purchase outweighs its absence.
        transform: t.
        iterations: Alternations; more than 10 or 12 gain nothing.
        random_state: Where the factors start. The same number gives the same bits.

    Attributes:
        item_factors_: float32 [items, factors].
        regularization_: λ.
        n_features_in_: The number of items.
    """

    def __init__(
        self,
        factors: int = 128,
        *,
        regularization: float = 0.6,
        alpha: float = 1.0,
        transform: Transform | str = Transform.LOG1P,
        iterations: int = 10,
        random_state: int | None = None,
    ) -> None:
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.transform = transform
        self.iterations = iterations
        self.random_state = random_state

    def fit(self, X: sparse.csr_matrix, y: None = None) -> Factorization:  # noqa: ARG002, N803 - scikit-learn's names
        """Learn from counts of purchase days, CSR [subjects, items].

        Raises:
            ValueError: Counts or parameters mean nothing.
        """
        check_sizes({"factors": self.factors, "iterations": self.iterations})
        check_parameters({"alpha": (self.alpha, 0.0)}, above={"regularization": self.regularization})
        confidence = checked_counts(X, np.float32)
        confidence.data = 1 + self.alpha * Transform(self.transform)(confidence.data)
        self.regularization_ = self.regularization * noise_edge(confidence)
        self.n_features_in_ = confidence.shape[1]
        with threadpool_limits(1, "blas"):  # implicit brings its own threads; two pools fight for the cores
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization_,
                alpha=1.0,  # the matrix holds c itself
                iterations=self.iterations,
            )
            model.user_factors, model.item_factors = self._start(*confidence.shape)
            model.fit(confidence, show_progress=False)
        vanished = np.abs(model.item_factors).max() < _ROUNDING
        self.item_factors_: NDArray[np.float32] = np.zeros_like(model.item_factors) if vanished else model.item_factors
        return self

    def fold_in(self, X: sparse.csr_matrix) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """float64 [subjects, factors]: each folded in, whether learned from or not; zeros without purchases.

        Raises:
            NotFittedError: Nothing was learned yet.
            ValueError: Counts mean nothing, or are of other items.
        """
        check_is_fitted(self)
        counts = checked_counts(X, np.float64, items=self.n_features_in_)
        factors = self.item_factors_.astype(np.float64)
        gram = factors.T @ factors + self.regularization_ * np.eye(factors.shape[1])
        beyond_one = self.alpha * Transform(self.transform)(counts.data)
        people = np.zeros((counts.shape[0], factors.shape[1]))
        for person, (start, end) in enumerate(pairwise(counts.indptr)):
            rows, weight = factors[counts.indices[start:end]], beyond_one[start:end]
            people[person] = np.linalg.solve(gram + (rows.T * weight) @ rows, rows.T @ (1 + weight))
        return people

    def predict(self, X: sparse.csr_matrix) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """float64 [subjects, items]: the scores of all items; raises as `fold_in`."""
        return np.asarray(self.fold_in(X) @ self.item_factors_.T, np.float64)

    def _start(self, subjects: int, items: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where the factors start. implicit starts so close to zero that ten iterations do not always lead away."""
        drawn = check_random_state(self.random_state).standard_normal((items, self.factors))
        return np.zeros((subjects, self.factors), np.float32), (_SPREAD * drawn).astype(np.float32)


def noise_edge(matrix: sparse.csr_matrix) -> float:
    """‖matrix‖_F·(1/√rows + 1/√columns)."""
    rows, columns = matrix.shape
    return float(np.sqrt(np.square(matrix.data, dtype=np.float64).sum()) * (rows**-0.5 + columns**-0.5))
