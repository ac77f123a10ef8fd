"""`training.features.collaborative` as ONNX operations. B histories, X items, F factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.features.collaborative import COLLABORATIVE_FEATURES, LEAST, TINY, Spread
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, named


@dataclass(frozen=True, slots=True)
class Tastes:
    """Folded-in people and how their scores spread over all items.

    Args:
        people: [B, 2, F]: folded in, and the part that the last baskets make.
        mean, deviation: [B, 1, 1], of the scores of all items.
    """

    people: Value
    mean: Value
    deviation: Value

    @classmethod
    def of(cls, graph: Graph, people: Value, spread: Spread) -> Tastes:
        """`spread`: of all items."""
        person = people.plane(0)
        mean = (person * graph.constant(spread.mean.astype(np.float32))).sum_over_last()
        spreading = person @ graph.constant(spread.symmetric.astype(np.float32))
        variance = (spreading * person).sum_over_last().at_least(0.0)
        return cls(people, mean, graph.apply("Sqrt", variance).at_least(TINY))

    def of_items(self, factors: Value) -> Planes:
        """What they say of items; factors [F, X], the same for all, or [B, F, X]."""
        graph, both = self.people.graph, self.people @ factors
        score = both.plane(0)
        planes = [both, graph.apply("Log", score.at_least(LEAST)), (score - self.mean) / self.deviation]
        return Planes(graph.joined(planes, axis=1), named("collaborative", COLLABORATIVE_FEATURES))
