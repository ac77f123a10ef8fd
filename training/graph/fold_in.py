"""Fold-in as ONNX operations: preconditioned conjugate gradient, unrolled.

A person with history items i is the solution x of A·x = b with A = VᵀV + λI + Σ(c(i)-1)·v(i)v(i)ᵀ, b = Σ c(i)·v(i).
The graph knows the items in other coordinates, v' = Tᵀv, in which VᵀV + λI is a diagonal D and the preconditioner,
about A⁻¹ of the average person, is the identity: then a step needs no other matrix. With x = T·x' all products of
people and items are as they were: x'·v' = x·v. A is formed: that costs less than two products more in each step.
Shapes: B histories, L items in the longest, F factors, R right-hand sides.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """A for each history of a batch.

    Args:
        rows: v of each history item, [B, L, F]; a zero row for padding.
        confidence: c, [B, 1, L]; one for padding.
        matrix: A, [B, F, F].
    """

    rows: Value
    confidence: Value
    matrix: Value

    def solve(self, right: Value, *, steps: int) -> Value:
        """A⁻¹·b for right-hand sides b, [B, R, F]: so many steps of conjugate gradient from zero."""
        residual = direction = right
        rho = residual.squares_over_last().at_least(_TINY)
        addends = []
        for step in range(steps):
            image = direction @ self.matrix
            length = rho / (direction * image).sum_over_last().at_least(_TINY)
            addends.append((length, direction))
            if step < steps - 1:
                residual = residual - length * image
                before, rho = rho, residual.squares_over_last().at_least(_TINY)
                direction = residual + (rho / before) * direction
        return _sum(addends, direction.graph.apply("Shape", right))


def _sum(addends: Sequence[tuple[Value, Value]], shape: Value) -> Value:
    """Of lengths times directions: added in the same order, however many histories there are."""
    graph = addends[0][1].graph
    lengths, directions = (graph.joined(values, axis=0) for values in zip(*addends, strict=True))
    flat = (lengths * directions).reshaped(graph.constant(np.array([len(addends), -1], np.int64)))
    return flat.sum_over(0).reshaped(shape)


@dataclass(frozen=True)
class Coordinates:
    """T and D, float64 [F, F]: Tᵀ(VᵀV + λI)T = D and T·Tᵀ = the preconditioner.

    Rounded factors keep the T in whose coordinates they were rounded, which is about as good; their D is no diagonal.
    """

    turn: NDArray[np.float64]
    gram: NDArray[np.float64]

    @classmethod
    def of(cls, fold: FoldIn) -> Coordinates:
        """With the preconditioner inv(VᵀV + λI + Σ mean(c(i)-1)·v(i)v(i)ᵀ), over all items, the mean over subjects.

        Raises:
            BundleError: Factors are not numbers.
        """
        if fold.whole is not None:
            turn = fold.whole.turn
            return cls(turn, turn.T @ fold.gram @ turn)
        factors = fold.item_factors.astype(np.float64)
        average = fold.gram + (factors.T * fold.mean_beyond_one) @ factors
        if not np.isfinite(average).all():
            raise BundleError("holds what is not a number", where="the factorization", mend="Try another --seed")
        half = np.linalg.inv(np.linalg.cholesky(average)).T
        diagonal, turned = np.linalg.eigh(half.T @ fold.gram @ half)
        return cls(half @ turned, np.diag(diagonal))

    def items(self, item_factors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Items in these coordinates, float32 [M, F]."""
        return (item_factors @ self.turn).astype(np.float32)


def history_system(graph: Graph, fold: FoldIn, gram: NDArray[np.float64], rows: Value, counts: Value) -> System:
    """The system of each history of a batch.

    Args:
        graph: To build in.
        fold: How counts weigh.
        gram: D of the coordinates.
        rows: [B, L, F], the history's items in those coordinates.
        counts: [B, 1, L].
    """
    beyond_one = graph.constant(fold.alpha) * _transformed(counts, fold.transform)
    own = rows.transposed(0, 2, 1) @ (rows * beyond_one.transposed(0, 2, 1))
    return System(
        rows=rows,
        confidence=beyond_one.plus(1.0),
        matrix=own + graph.constant(gram.astype(np.float32)),
    )


def _transformed(counts: Value, transform: Transform) -> Value:
    """`Transform` on the graph's side."""
    graph = counts.graph
    if transform is Transform.LOG1P:
        return counts.log1p()
    if transform is Transform.BINARY:
        return counts.above(0.0)
    return graph.apply("Sqrt", counts) if transform is Transform.SQRT else counts
