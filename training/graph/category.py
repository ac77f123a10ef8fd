"""`training.features.category` as ONNX operations. B histories, L items, K categories and one for padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.features.aggregate import NEVER_DAYS, NEVER_TRIPS, SCALES
from training.features.category import CATEGORY_FEATURES, DECAY
from training.graph.aggregate import Aggregates
from training.graph.builder import Graph, Value
from training.graph.planes import Cells, Planes, named


@dataclass(frozen=True, slots=True)
class Categories:
    """Sums over the items of a category.

    Args:
        cells: The category of each of a history's items; K for padding.
        counts: [B, K + 1, features], before their logarithms.
    """

    cells: Cells
    counts: Value

    @classmethod
    def of(cls, graph: Graph, of_items: Value, size: int, given: Aggregates, tau: float) -> Categories:
        """`of_items`: int64 [B, L]; `size` is K."""
        shape = graph.joined([of_items.size(0), graph.constant(np.array([size + 1], np.int64))], axis=0)
        cells = Cells.of(graph, of_items, shape)
        summed = graph.joined([given.counts(None), given.counts(SCALES[DECAY])], axis=1)
        newest = graph.apply("Neg", graph.joined([given.last, given.trip], axis=1))
        sums = cells.scattered([0.0, 0.0], summed, "add")
        least = graph.apply("Neg", cells.scattered([-NEVER_DAYS * tau, -NEVER_TRIPS], newest, "max"))
        return cls(cells, graph.joined([sums, least], axis=-1))

    def at_items(self) -> Value:
        """[B, features, L]: the counts of the category of each of a history's items."""
        return self.cells.gathered(self.counts, len(CATEGORY_FEATURES))

    def at(self, of_candidates: Value) -> Planes:
        """The features of the category of each candidate; int [C]."""
        rows = self.counts.log1p().rows(of_candidates, axis=1)
        return Planes(rows.transposed(0, 2, 1), named("category", CATEGORY_FEATURES))
