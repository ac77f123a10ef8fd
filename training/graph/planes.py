"""Features as planes, one a feature: what they are told of lies along the last axis, for operations like long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.graph.builder import Graph, Value


@dataclass(frozen=True, slots=True)
class Planes:
    """Features of X things, or of X things for each of B histories.

    Args:
        values: float32 [features, X] or [B, features, X].
        names: As in `training.features.assemble.FEATURES`, in the order of the planes.
    """

    values: Value
    names: tuple[str, ...]

    @classmethod
    def joined(cls, parts: Sequence[Planes]) -> Planes:
        """All of them."""
        values = parts[0].values.graph.joined([part.values for part in parts], axis=-2)
        return cls(values, tuple(name for part in parts for name in part.names))


@dataclass(frozen=True, slots=True)
class Cells:
    """Where each of B histories' things belong, to sum over those that belong together.

    Args:
        rows: int64 [B, X]: the cell of each thing among B·S, S for each history.
        size: int64 [1], S.
        total: int64 [1], B·S.
    """

    rows: Value
    size: Value
    total: Value

    @classmethod
    def of(cls, cells: Value, numbers: Value, size: Value) -> Cells:
        """`cells`: int64 [B, X], below S; `numbers`: as from `numbered`."""
        return cls(cells + numbers * size, size, numbers.size(0) * size)

    def scattered(self, start: Sequence[float], values: Value, reduction: str) -> Value:
        """[B·S, planes] of `values`, [B, planes, X]: summed, or the most of them, from one start for each plane."""
        graph, planes = values.graph, np.array([len(start)], np.int64)
        shape = graph.joined([self.total, graph.constant(planes)], axis=0)
        into = graph.apply("Expand", graph.constant(np.array(start, np.float32)), shape)
        return graph.apply("ScatterND", into, self.rows.unsqueezed(-1), values.transposed(0, 2, 1), reduction=reduction)

    def of_each(self, values: Value, planes: int) -> Value:
        """[B, S, planes] of [B·S, planes]."""
        graph = values.graph
        shape = [graph.constant(np.array([-1], np.int64)), self.size, graph.constant(np.array([planes], np.int64))]
        return values.reshaped(graph.joined(shape, axis=0))


def numbered(graph: Graph, histories: Value) -> Value:
    """int64 [B, 1]: 0 to B - 1, for [B, ...]."""
    zero, one = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
    return graph.apply("Range", zero, histories.size(0).squeezed(0), one).unsqueezed(1)


def column(values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float32]:
    """float32 [n, 1]: one number for each of n planes."""
    return np.array(values, np.float32)[:, None]


def named(family: str, names: Sequence[str]) -> tuple[str, ...]:
    """What a family's features are called among all."""
    return tuple(f"{family}: {name}" for name in names)
