"""`training.features.own` as ONNX operations, those of the items' categories beside them. B histories, L items."""

from __future__ import annotations

from typing import Final

from recsys.item_table import INTERVAL, PRIOR
from training.features.aggregate import TRIPS
from training.features.category import CATEGORY_FEATURES
from training.features.own import OWN_FEATURES, PRIOR_INTERVALS, PRIOR_WEIGHT, SMALL
from training.graph.aggregate import Aggregates
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, column, named

_LOGS: Final = [name for name in OWN_FEATURES if name.startswith("log ")]
_OTHERS: Final = [name for name in OWN_FEATURES if name not in _LOGS]
_SINCE_LAST: Final = _LOGS.index("log days since the last")
_INTERVAL: Final = _LOGS.index("log interval")


def own_features(graph: Graph, given: Aggregates, items: Value, trips: Value, category: Value) -> Planes:
    """Of the items of each history, own and category's, before the ranker standardises them.

    Args:
        graph: To build in.
        given: Of B histories.
        items: [B, S, L], the item table's planes of the history's model items.
        trips: [B, 1, 1], shopping days.
        category: [B, category features, L], of each item's category, without their logarithms.
    """
    days = given.counted.plane(0)
    some = days.at_least(1.0)
    usual = graph.apply("Exp", items.plane(INTERVAL)).plus(-1.0).times(PRIOR_INTERVALS)
    interval = (given.first - given.last + usual) / some.plus(PRIOR_INTERVALS - 1)
    counts = [given.counted, given.last, given.first, given.trip, interval, given.quantity / some, category]
    logs = graph.joined(counts, axis=1).log1p()
    overdue = logs.plane(_SINCE_LAST) - logs.plane(_INTERVAL)
    totals = graph.apply("Max", given.counted.sum_over_last(), graph.constant(column([1, 1e-30, 1e-30, 1e-30])))
    planes = [
        logs,
        given.counted / totals,
        given.by_trips / _trips_decayed(graph, trips),
        overdue,
        graph.apply("Exp", graph.apply("Neg", graph.apply("Abs", overdue))),
        given.bought,
        days / category.plane(0).at_least(1.0),
        gp_pop(given.popular, items.plane(PRIOR)),
    ]
    names = named("own", _LOGS) + named("category", CATEGORY_FEATURES) + named("own", _OTHERS)
    return Planes(graph.joined(planes, axis=1), names)


def gp_pop(decayed: Value | None, prior: Value) -> Value:
    """`training.features.own.gp_pop`; None: never bought."""
    popular = prior.times(PRIOR_WEIGHT).plus(SMALL)
    return prior.graph.apply("Log", popular if decayed is None else decayed + popular)


def _trips_decayed(graph: Graph, trips: Value) -> Value:
    """[B, 2, 1]."""
    left = column([2 ** (-1 / half_life) for half_life in TRIPS[:2]])
    halved = graph.apply("Pow", graph.constant(left), trips)
    return ((graph.constant(1.0) - halved) * graph.constant(1 / (1 - left))).at_least(1.0)
