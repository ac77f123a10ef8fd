"""`training.features.collaborative` as ONNX operations. B histories, C candidates, F factors."""

from __future__ import annotations

import numpy as np

from training.features.collaborative import LEAST, TINY, Spread
from training.graph.builder import Graph, Value


def collaborative_features(graph: Graph, people: Value, candidates: Value, spread: Spread) -> list[Value]:
    """[B, C] for each feature.

    Args:
        graph: To build in.
        people: [B, 2, F]: folded in, and the part that the last baskets make.
        candidates: [C, F], their factors.
        spread: Of all items.
    """
    both = people @ candidates.transposed(1, 0)
    score = both.rows(graph.constant(np.array(0, np.int64)), axis=1)
    person = people.rows(graph.constant(np.array([0], np.int64)), axis=1)
    mean = (person * graph.constant(spread.mean.astype(np.float32))).sum_over_last().squeezed(2)
    spreading = person @ graph.constant(spread.symmetric.astype(np.float32))
    variance = (spreading * person).sum_over_last().squeezed(2).at_least(0.0)
    deviation = graph.apply("Sqrt", variance).at_least(TINY)
    return [
        score,
        both.rows(graph.constant(np.array(1, np.int64)), axis=1),
        graph.apply("Log", score.at_least(LEAST)),
        (score - mean) / deviation,
    ]
