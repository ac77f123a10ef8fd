"""`training.features.person` as ONNX operations. B histories."""

from __future__ import annotations

from training.features.aggregate import RECENT
from training.graph.aggregate import LONG_AGO, Aggregates, Purchases
from training.graph.builder import Graph, Value


def trips_of(given: Purchases) -> Value:
    """[B, 1]: on how many days each subject bought anything."""
    return (given.trips.plus(1.0) * given.real).most_over_last()


def person_features(graph: Graph, given: Purchases, items: Aggregates, trips: Value) -> Value:
    """[B, features]; `trips` as from `trips_of`."""
    different, total = items.bought.sum_over_last(), items.days.sum_over_last()
    anything = total.above(0.0)
    padding = (graph.constant(1.0) - given.real).times(LONG_AGO)
    oldest, newest = items.first.most_over_last(), (given.ages + padding).least_over_last() * anything
    recent = (given.real * given.trips.below(RECENT)).sum_over_last()
    columns = [
        trips.log1p(),
        different.log1p(),
        newest.log1p(),
        ((oldest - newest) / trips.plus(-1.0).at_least(1.0)).log1p(),
        (total / trips.at_least(1.0)).log1p(),
        (recent / trips.at_least(1.0).at_most(RECENT)).log1p(),
        graph.constant(1.0) - different / total.at_least(1.0),
    ]
    return graph.joined(columns, axis=-1) * anything
