"""`training.features.own` as ONNX operations. B histories, L items."""

from __future__ import annotations

from recsys.item_table import INTERVAL, PRIOR
from training.features.aggregate import TRIPS
from training.features.own import PRIOR_INTERVALS, PRIOR_WEIGHT, SMALL
from training.graph.aggregate import Aggregates
from training.graph.builder import Graph, Value


def own_features(graph: Graph, given: Aggregates, items: Value, trips: Value, of_category: Value) -> Value:
    """[B, L, features].

    Args:
        graph: To build in.
        given: Of B histories.
        items: [B, L, S], the item table's rows of the history's model items.
        trips: [B, 1], shopping days.
        of_category: [B, L], purchase days in the model item's category.
    """
    days = given.days.at_least(1.0)
    usual = graph.apply("Exp", items.column(INTERVAL)).plus(-1.0).times(PRIOR_INTERVALS)
    interval = (given.first - given.last + usual) / days.plus(PRIOR_INTERVALS - 1)
    overdue = graph.apply("Log", given.last.plus(1.0) / interval.plus(1.0))
    on_time = graph.apply("Exp", graph.apply("Neg", graph.apply("Abs", overdue)))
    columns = [
        given.days.log1p(),
        given.days / given.days.sum_over_last().at_least(1.0),
        *(decayed.log1p() for decayed in given.decayed),
        *(decayed / decayed.sum_over_last().at_least(1e-30) for decayed in given.decayed),
        *(given.by_trips[place] / _trips_decayed(graph, trips, TRIPS[place]) for place in range(2)),
        given.last.log1p(),
        given.first.log1p(),
        given.trip.log1p(),
        interval.log1p(),
        overdue,
        on_time,
        (given.quantity / days).log1p(),
        given.bought,
        given.days / of_category.at_least(1.0),
        gp_pop(given.by_trips[2], items.column(PRIOR)),
    ]
    return graph.stacked(columns)


def gp_pop(decayed: Value | None, prior: Value) -> Value:
    """`training.features.own.gp_pop`; None: never bought."""
    popular = prior.times(PRIOR_WEIGHT).plus(SMALL)
    return prior.graph.apply("Log", popular if decayed is None else decayed + popular)


def _trips_decayed(graph: Graph, trips: Value, half_life: float) -> Value:
    left = 1 - 2 ** (-1 / half_life)
    return ((graph.constant(1.0) - trips.halved_every(half_life)).times(1 / left)).at_least(1.0)
