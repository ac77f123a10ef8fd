"""`training.features.aggregate` as ONNX operations. B histories, L items, R purchase days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from training.features.aggregate import SCALES, TRIPS
from training.graph.builder import Graph, Value

LONG_AGO: Final = 1e9  # days: before anything


@dataclass(frozen=True, slots=True)
class Purchases:
    """The graph's inputs about histories.

    Args:
        items: int64 [B, L].
        slots: int64 [B, R].
        ages, trips, quantities: float32 [B, R].
        real: float32 [B, R], 1 for a purchase day, 0 for padding.
    """

    items: Value
    slots: Value
    ages: Value
    trips: Value
    quantities: Value
    real: Value


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Float32 [B, L] each; zero for padding. `decayed` and `by_trips` are lists in the order of SCALES and TRIPS."""

    bought: Value
    days: Value
    decayed: list[Value]
    by_trips: list[Value]
    last: Value
    first: Value
    trip: Value
    quantity: Value


def aggregate(graph: Graph, given: Purchases, tau: float) -> Aggregates:
    """Sum, and find the newest and oldest, over the purchase days of each item."""
    shape = graph.apply("Shape", given.items)
    nothing, endless = graph.filled(shape, 0.0), graph.filled(shape, LONG_AGO)
    padding = (graph.constant(1.0) - given.real).times(LONG_AGO)

    def scattered(into: Value, values: Value, reduction: str) -> Value:
        return graph.apply("ScatterElements", into, given.slots, values, axis=1, reduction=reduction)

    def summed(values: Value) -> Value:
        return scattered(nothing, values, "add")

    days = summed(given.real)
    bought = days.above(0.0)
    return Aggregates(
        bought=bought,
        days=days,
        decayed=[summed(given.ages.halved_every(scale * tau) * given.real) for scale in SCALES],
        by_trips=[summed(given.trips.halved_every(half_life) * given.real) for half_life in TRIPS],
        last=scattered(endless, given.ages + padding, "min") * bought,
        first=scattered(nothing, given.ages, "max"),
        trip=scattered(endless, given.trips + padding, "min") * bought,
        quantity=summed(given.quantities),
    )
