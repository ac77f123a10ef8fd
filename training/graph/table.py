"""The factors of all items as the graph holds them: in single precision, or as whole numbers of a byte."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from training.features.fold_in import FoldIn
from training.graph.builder import Graph, Value
from training.graph.fold_in import Coordinates


@dataclass(frozen=True, slots=True)
class Table:
    """M items and padding, which comes last and is zero.

    Whole numbers become numbers in single precision after they were gathered: onnxruntime has nothing to fold the
    table into, and `DequantizeLinear` by row takes it twenty times as long (docs/adr/0026).

    Args:
        values: float32 or int8 [M + 1, F].
        scales: float32 [M + 1, 1], what one of a row's whole numbers is worth; None: the values are the factors.
    """

    values: Value
    scales: Value | None

    @classmethod
    def of(cls, graph: Graph, fold: FoldIn, coordinates: Coordinates) -> Table:
        """The table of the factors in these coordinates."""
        if fold.whole is None:
            return cls(graph.constant(_padded(coordinates.items(fold.item_factors))), None)
        scales = graph.constant(_padded(fold.whole.scales[:, None]))
        return cls(graph.constant(_padded(fold.whole.numbers)), scales)

    def rows(self, items: Value) -> Value:
        """float32 [..., F]: the factors of items, int64 [...]."""
        values = self._values(items)
        return values if self.scales is None else values * self.scales.rows(items)

    def products(self, people: Value, items: Value) -> Value:
        """float32 [B, R, C]: of people, [B, R, F], with the factors of items, int64 [C]."""
        products = people @ self._values(items).transposed(1, 0)
        return products if self.scales is None else products * self.scales.rows(items).transposed(1, 0)

    def _values(self, items: Value) -> Value:
        values = self.values.rows(items)
        return values if self.scales is None else values.graph.apply("Cast", values, to=TensorProto.FLOAT)


def _padded(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.vstack([rows, np.zeros_like(rows[:1])])
