"""Features as planes: one a feature, with what they are told of along the last axis, as long as operations like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.graph.builder import Graph, Value


@dataclass(frozen=True, slots=True)
class Planes:
    """Features of X things for each of B histories.

    Args:
        values: float32 [B, features, X].
        names: As in `training.features.assemble.FEATURES`, in the order of the planes.
    """

    values: Value
    names: tuple[str, ...]

    @classmethod
    def joined(cls, parts: Sequence[Planes]) -> Planes:
        """All of them."""
        values = parts[0].values.graph.joined([part.values for part in parts], axis=1)
        return cls(values, tuple(name for part in parts for name in part.names))


@dataclass(frozen=True, slots=True)
class Cells:
    """Where each of B histories' things belong, to sum over those that belong together.

    Args:
        graph: To build in.
        rows: int64 [B, X]: the history's number times `size`, and the cell of each thing.
        shape: int64 [2], B and `size`.
    """

    graph: Graph
    rows: Value
    shape: Value

    @classmethod
    def of(cls, graph: Graph, cells: Value, shape: Value) -> Cells:
        """`cells`: int64 [B, X], below the second number of `shape`."""
        zero, one = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
        history = graph.apply("Range", zero, shape.rows(zero), one).unsqueezed(1)
        return cls(graph, cells + history * shape.rows(one), shape)

    def scattered(self, start: Sequence[float], values: Value, reduction: str) -> Value:
        """[B, size, planes] of `values`, [B, planes, X]: summed, or the most of them, from one start for each plane."""
        graph = self.graph
        shape = graph.joined([self.shape, graph.constant(np.array([len(start)], np.int64))], axis=0)
        flat = graph.constant(np.array([-1, len(start)], np.int64))
        into = graph.apply("Expand", graph.constant(np.array(start, np.float32)), shape).reshaped(flat)
        rows, updates = self.rows.unsqueezed(-1), values.transposed(0, 2, 1)
        return graph.apply("ScatterND", into, rows, updates, reduction=reduction).reshaped(shape)

    def gathered(self, values: Value, planes: int) -> Value:
        """[B, planes, X]: what [B, size, planes] says of the cell of each thing."""
        flat = values.graph.constant(np.array([-1, planes], np.int64))
        return values.reshaped(flat).rows(self.rows).transposed(0, 2, 1)


def column(values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float32]:
    """float32 [n, 1]: one number for each of n planes."""
    return np.array(values, np.float32)[:, None]


def named(family: str, names: Sequence[str]) -> tuple[str, ...]:
    """What a family's features are called among all."""
    return tuple(f"{family}: {name}" for name in names)
