"""`training.features.category` as ONNX operations. B histories, C candidates, K categories and one for padding."""

from __future__ import annotations

from training.features.aggregate import NEVER_DAYS, NEVER_TRIPS, SCALES
from training.features.category import CATEGORY_FEATURES, DECAY
from training.graph.aggregate import Aggregates
from training.graph.builder import Graph, Value
from training.graph.planes import Cells, Planes, named


def category_counts(graph: Graph, cells: Cells, given: Aggregates, tau: float) -> Value:
    """[B·(K + 1), features], without their logarithms; `cells`: the category of each of a history's items."""
    summed = graph.joined([given.counts(None), given.counts(SCALES[DECAY])], axis=1)
    newest = graph.apply("Neg", graph.joined([given.last, given.trip], axis=1))
    sums = cells.scattered([0.0, 0.0], summed, "add")
    least = graph.apply("Neg", cells.scattered([-NEVER_DAYS * tau, -NEVER_TRIPS], newest, "max"))
    return graph.joined([sums, least], axis=-1)


def category_features(logs: Value, of_candidates: Value) -> Planes:
    """Of the category of each candidate, int [C], for one history: the logarithms [K + 1, features] of its counts."""
    return Planes(logs.rows(of_candidates).transposed(1, 0), named("category", CATEGORY_FEATURES))
