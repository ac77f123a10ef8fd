"""Fold-in as ONNX operations: preconditioned conjugate gradient, unrolled, without ever forming the system's matrix.

A person with history items i is the solution x of A·x = b with A = VᵀV + λI + Σ(c(i)-1)·v(i)v(i)ᵀ, b = Σ c(i)·v(i).
Shapes: B histories, L items in the longest, F factors, R right-hand sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
        gram: VᵀV + λI, [F, F].
        preconditioner: Roughly A⁻¹ for everyone, symmetric [F, F].
    """

    rows: Value
    columns: Value
    beyond_one: Value
    gram: Value
    preconditioner: Value

    def times(self, vectors: Value) -> Value:
        """A·p for vectors p, [B, R, F]."""
        return vectors @ self.gram + ((vectors @ self.columns) * self.beyond_one) @ self.rows

    def solve(self, right: Value, *, steps: int) -> Value:
        """A⁻¹·b for right-hand sides b, [B or 1, R, F]: so many steps of conjugate gradient from zero."""
        residual = right
        direction = preconditioned = residual @ self.preconditioner
        rho = (residual * preconditioned).sum_over_last()
        image, length = self._step(direction, rho)
        solution = length * direction
        for _ in range(steps - 1):
            residual = residual - length * image
            preconditioned = residual @ self.preconditioner
            before, rho = rho, (residual * preconditioned).sum_over_last()
            direction = preconditioned + (rho / before.at_least(_TINY)) * direction
            image, length = self._step(direction, rho)
            solution = solution + length * direction
        return solution

    def _step(self, direction: Value, rho: Value) -> tuple[Value, Value]:
        """A·p, and how far to go along p."""
        image = self.times(direction)
        return image, rho / (direction * image).sum_over_last().at_least(_TINY)


def history_system(graph: Graph, fold: FoldIn, rows: Value, counts: Value) -> System:
    """The system of each history of a batch, of items `rows` [B, L, F] with `counts` that weigh [B, L]."""
    return System(
        rows=rows,
        columns=rows.transposed(0, 2, 1),
        beyond_one=(graph.constant(fold.alpha) * _transformed(counts, fold.transform)).unsqueezed(1),
        gram=graph.constant(fold.gram.astype(np.float32)),
        preconditioner=graph.constant(_preconditioner(fold)),
    )


def _transformed(counts: Value, transform: Transform) -> Value:
    """`Transform` on the graph's side."""
    graph = counts.graph
    if transform is Transform.LOG1P:
        return counts.log1p()
    if transform is Transform.BINARY:
        return counts.above(0.0)
    return graph.apply("Sqrt", counts) if transform is Transform.SQRT else counts


def _preconditioner(fold: FoldIn) -> NDArray[np.float32]:
    """inv(VᵀV + λI + Σ mean(c(i)-1)·v(i)v(i)ᵀ), over all items, the mean over subjects: A⁻¹ of the average person."""
    factors = fold.item_factors.astype(np.float64)
    inverse = np.linalg.inv(fold.gram + (factors.T * fold.mean_beyond_one) @ factors)
    return ((inverse + inverse.T) / 2).astype(np.float32)
