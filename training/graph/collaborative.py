"""`training.features.collaborative` as ONNX operations. B histories, F factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.features.collaborative import COLLABORATIVE_FEATURES, LEAST, TINY, Spread
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, named


@dataclass(frozen=True, slots=True)
class Tastes:
    """How the folded-in scores of people spread over all items: float32 [B, 1, 1], or [1, 1] of one of them."""

    mean: Value
    deviation: Value

    @classmethod
    def of(cls, graph: Graph, people: Value, spread: Spread) -> Tastes:
        """Of people [B, 2, F]: folded in, and the part that the last baskets make."""
        person = people.plane(0)
        mean = (person * graph.constant(spread.mean.astype(np.float32))).sum_over_last()
        spreading = person @ graph.constant(spread.symmetric.astype(np.float32))
        variance = (spreading * person).sum_over_last().at_least(0.0)
        return cls(mean, graph.apply("Sqrt", variance).at_least(TINY))

    def features(self, both: Value) -> Planes:
        """Of items, whose scores are the planes: folded in, and the part that the last baskets make."""
        graph, score = both.graph, both.plane(0)
        planes = [both, graph.apply("Log", score.at_least(LEAST)), (score - self.mean) / self.deviation]
        return Planes(graph.joined(planes, axis=-2), named("collaborative", COLLABORATIVE_FEATURES))
