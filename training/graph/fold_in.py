"""Fold-in as ONNX operations: preconditioned conjugate gradient, unrolled, without ever forming the system's matrix.

A person with history items i is the solution x of A·x = b with A = VᵀV + λI + Σ(c(i)-1)·v(i)v(i)ᵀ, b = Σ c(i)·v(i).
The graph knows the items in other coordinates, v' = Tᵀv, in which VᵀV + λI is a diagonal D and the preconditioner,
about A⁻¹ of the average person, is the identity: then a step needs no matrix but the history's own. With x = T·x' all
products of people and items are as they were: x'·v' = x·v.
Shapes: B histories, L items in the longest, F factors, R right-hand sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BundleError
from training.factorize import Transform
from training.features.fold_in import FoldIn
from training.graph.builder import Graph, Value

_TINY: Final = 1e-30  # instead of a divisor of zero: an empty history's residual is zero and stays it


@dataclass(frozen=True, slots=True)
class System:
    """A, for each history of a batch, as what it does to vectors.

    Args:
        rows: v of each history item, [B, L, F]; a zero row for padding.
        columns: The same, [B, F, L].
        beyond_one: c - 1, [B, 1, L]; zero for padding.
        diagonal: VᵀV + λI in these coordinates, [F].
    """

    rows: Value
    columns: Value
    beyond_one: Value
    diagonal: Value

    def times(self, vectors: Value) -> Value:
        """A·p for vectors p, [B, R, F]."""
        return vectors * self.diagonal + ((vectors @ self.columns) * self.beyond_one) @ self.rows

    def solve(self, right: Value, *, steps: int) -> Value:
        """A⁻¹·b for right-hand sides b, [B or 1, R, F]: so many steps of conjugate gradient from zero."""
        residual = direction = right
        rho = residual.squares_over_last()
        image, length = self._step(direction, rho)
        solution = length * direction
        for _ in range(steps - 1):
            residual = residual - length * image
            before, rho = rho, residual.squares_over_last()
            direction = residual + (rho / before.at_least(_TINY)) * direction
            image, length = self._step(direction, rho)
            solution = solution + length * direction
        return solution

    def _step(self, direction: Value, rho: Value) -> tuple[Value, Value]:
        """A·p, and how far to go along p."""
        image = self.times(direction)
        return image, rho / (direction * image).sum_over_last().at_least(_TINY)


@dataclass(frozen=True)
class Coordinates:
    """T, float64 [F, F], and D, float64 [F]: Tᵀ(VᵀV + λI)T = D and T·Tᵀ = the preconditioner."""

    turn: NDArray[np.float64]
    diagonal: NDArray[np.float64]

    @classmethod
    def of(cls, fold: FoldIn) -> Coordinates:
        """With the preconditioner inv(VᵀV + λI + Σ mean(c(i)-1)·v(i)v(i)ᵀ), over all items, the mean over subjects.

        Raises:
            BundleError: Factors are not numbers.
        """
        factors = fold.item_factors.astype(np.float64)
        average = fold.gram + (factors.T * fold.mean_beyond_one) @ factors
        if not np.isfinite(average).all():
            raise BundleError("holds what is not a number", where="the factorization", mend="Try another --seed")
        half = np.linalg.inv(np.linalg.cholesky(average)).T
        diagonal, turned = np.linalg.eigh(half.T @ fold.gram @ half)
        return cls(half @ turned, diagonal)

    def items(self, item_factors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Items in these coordinates, float32 [M, F]."""
        return (item_factors @ self.turn).astype(np.float32)


def history_system(graph: Graph, fold: FoldIn, diagonal: NDArray[np.float64], rows: Value, counts: Value) -> System:
    """The system of each history of a batch.

    Args:
        graph: To build in.
        fold: How counts weigh.
        diagonal: D of the coordinates.
        rows: [B, L, F], the history's items in those coordinates.
        counts: [B, L].
    """
    return System(
        rows=rows,
        columns=rows.transposed(0, 2, 1),
        beyond_one=(graph.constant(fold.alpha) * _transformed(counts, fold.transform)).unsqueezed(1),
        diagonal=graph.constant(diagonal.astype(np.float32)),
    )


def _transformed(counts: Value, transform: Transform) -> Value:
    """`Transform` on the graph's side."""
    graph = counts.graph
    if transform is Transform.LOG1P:
        return counts.log1p()
    if transform is Transform.BINARY:
        return counts.above(0.0)
    return graph.apply("Sqrt", counts) if transform is Transform.SQRT else counts
