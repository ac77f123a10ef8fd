"""Fold-in in NumPy, in double precision, solved exactly: slow, obvious, and what the graph is held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.factorize import Factorization, Transform
from training.features.aggregate import SCALES, Aggregates, Doubles


@dataclass(frozen=True, slots=True)
class WholeNumbers:
    """Item factors as whole numbers, v' = scale · number in other coordinates, v' = Tᵀv.

    Args:
        numbers: int8 [M, F].
        scales: float32 [M].
        turn: T, float64 [F, F].
    """

    numbers: NDArray[np.int8]
    scales: NDArray[np.float32]
    turn: Doubles


@dataclass(frozen=True)
class FoldIn:
    """What it takes to fold a history in. Shapes: M items, F factors; a history of L items, C candidates.

    Args:
        item_factors: V, float32 [M, F].
        regularization: λ.
        alpha: How much a purchase outweighs its absence.
        transform: What becomes of a count before it weighs.
        mean_beyond_one: float64 [M]: the mean of c - 1 over the subjects of the training set.
        decay: Which of `SCALES` the counts are halved by; None: they are not.
        whole: What the graph holds instead of V, where that is rounded: V is what they stand for.
    """

    item_factors: NDArray[np.float32]
    regularization: float
    alpha: float
    transform: Transform
    mean_beyond_one: Doubles
    decay: float | None = None
    whole: WholeNumbers | None = None

    @classmethod
    def of(cls, model: Factorization, counts: sparse.csr_matrix, decay: float | None = None) -> FoldIn:
        """Take it from a model that was fitted on `counts`, [N, M]."""
        beyond_one = counts.astype(np.float64)
        beyond_one.data = model.alpha * Transform(model.transform)(beyond_one.data)
        return cls(
            item_factors=model.item_factors_,
            regularization=model.regularization_,
            alpha=model.alpha,
            transform=Transform(model.transform),
            mean_beyond_one=np.asarray(beyond_one.mean(axis=0)).ravel(),
            decay=decay,
        )

    @cached_property
    def gram(self) -> Doubles:
        """VᵀV + λI, [F, F]: what is the same for every history."""
        factors = self.item_factors.astype(np.float64)
        return factors.T @ factors + self.regularization * np.eye(factors.shape[1])

    def counted(self, given: Aggregates) -> Doubles:
        """float64 [B, L]: the counts that weigh."""
        return given.days if self.decay is None else given.decayed[..., SCALES.index(self.decay)]

    def people(self, items: NDArray[np.int64], counts: NDArray[np.floating], lately: NDArray[np.bool_]) -> Doubles:
        """float64 [2, F]: A⁻¹b, and A⁻¹ of the part of b that the items flagged in `lately` make."""
        matrix, rows, confidence = self._system(items, counts)
        right = np.stack([rows.T @ confidence, rows.T @ (confidence * lately)], axis=1)
        return np.asarray(np.linalg.solve(matrix, right).T, np.float64)

    def scores(self, items: NDArray[np.int64], counts: NDArray[np.floating], candidates: NDArray[np.int64]) -> Doubles:
        """x·v of each candidate, [C], with x = A⁻¹b and b = Σ c·v.

        Args:
            items: [L], distinct.
            counts: [L], purchase days.
            candidates: [C].
        """
        matrix, rows, confidence = self._system(items, counts)
        person = np.linalg.solve(matrix, rows.T @ confidence)
        return np.asarray(self.item_factors[candidates].astype(np.float64) @ person)

    def contributions(
        self, items: NDArray[np.int64], counts: NDArray[np.floating], candidates: NDArray[np.int64]
    ) -> Doubles:
        """What each purchase adds to each candidate's score, [C, L]: c(i)·v(cand)ᵀA⁻¹v(i)."""
        matrix, rows, confidence = self._system(items, counts)
        asked = self.item_factors[candidates].astype(np.float64)
        return np.asarray(asked @ np.linalg.solve(matrix, rows.T) * confidence)

    def _system(self, items: NDArray[np.int64], counts: NDArray[np.floating]) -> tuple[Doubles, Doubles, Doubles]:
        """A = VᵀV + λI + Σ(c-1)vvᵀ [F, F]; v of the history [L, F]; its c [L]."""
        rows = self.item_factors[items].astype(np.float64)
        beyond_one = self.alpha * self.transform(counts.astype(np.float64))
        return self.gram + (rows.T * beyond_one) @ rows, rows, 1 + beyond_one
