"""`training.features.person` as ONNX operations. B histories."""

from __future__ import annotations

from training.features.aggregate import RECENT
from training.features.person import PERSON_FEATURES
from training.graph.aggregate import Aggregates, Purchases
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, named


def trips_of(given: Purchases) -> Value:
    """[B, 1, 1]: on how many days each subject bought anything."""
    return (given.trips.plus(1.0) * given.real).most_over_last()


def person_features(graph: Graph, given: Purchases, items: Aggregates, trips: Value) -> Planes:
    """Of each history as a whole, [B, features, 1]; `trips` as from `trips_of`."""
    different, total = items.bought.sum_over_last(), items.counted.plane(0).sum_over_last()
    anything = total.at_most(1.0)
    oldest, newest, _ = (items.extremes.most_over_last() * anything).split([1, 1, 1], axis=1)
    recent = (given.real * given.trips.below(RECENT)).sum_over_last()
    days = trips.at_least(1.0)
    counts = [
        trips,
        different,
        graph.apply("Neg", newest),
        (oldest + newest) / trips.plus(-1.0).at_least(1.0),
        total / days,
        recent / days.at_most(RECENT),
    ]
    repeats = graph.constant(1.0) - different / total.at_least(1.0)
    planes = graph.joined([graph.joined(counts, axis=1).log1p(), repeats], axis=1) * anything
    return Planes(planes, named("person", PERSON_FEATURES))
