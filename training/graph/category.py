"""`training.features.category` as ONNX operations. B histories, L items, K categories and one for padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.features.aggregate import NEVER_DAYS, NEVER_TRIPS
from training.graph.aggregate import Aggregates
from training.graph.builder import Graph, Value


@dataclass(frozen=True, slots=True)
class Categories:
    """Sums over the items of a category.

    Args:
        graph: To build in.
        of_items: int64 [B, L], the category of each of a history's items; K for padding.
        shape: int64 [2], B and K + 1.
    """

    graph: Graph
    of_items: Value
    shape: Value

    @classmethod
    def of(cls, graph: Graph, of_items: Value, size: int) -> Categories:
        """`size` is K."""
        shape = graph.joined([of_items.size(0), graph.constant(np.array([size + 1], np.int64))], axis=0)
        return cls(graph, of_items, shape)

    def summed(self, values: Value) -> Value:
        """[B, K + 1] of [B, L]."""
        return self._scattered(0.0, values, "add")

    def least(self, values: Value, never: float) -> Value:
        """[B, K + 1]: the smallest of [B, L]; `never` where there is none."""
        return self._scattered(never, values, "min")

    def at_items(self, values: Value) -> Value:
        """[B, L]: what [B, K + 1] says of the category of each item."""
        return self.graph.apply("GatherElements", values, self.of_items, axis=1)

    def features(self, given: Aggregates, days: Value, tau: float) -> Value:
        """[B, K + 1, features]; `days` are `summed` purchase days."""
        columns = [
            days,
            self.summed(given.decayed[1]),
            self.least(given.last, NEVER_DAYS * tau),
            self.least(given.trip, NEVER_TRIPS),
        ]
        return self.graph.stacked([column.log1p() for column in columns])

    def _scattered(self, start: float, values: Value, reduction: str) -> Value:
        into = self.graph.filled(self.shape, start)
        return self.graph.apply("ScatterElements", into, self.of_items, values, axis=1, reduction=reduction)
