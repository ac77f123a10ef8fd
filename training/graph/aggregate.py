"""`training.features.aggregate` as ONNX operations. B histories, L items, R purchase days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.features.aggregate import SCALES, TRIPS
from training.graph.builder import Graph, Value
from training.graph.planes import Cells, column

LONG_AGO: Final = 1e9  # days: before anything


@dataclass(frozen=True, slots=True)
class Purchases:
    """The graph's inputs about histories.

    Args:
        numbers: int64 [B, 1], 0 to B - 1.
        items: int64 [B, L].
        slots: int64 [B, R].
        ages, trips, quantities: float32 [B, 1, R].
        real: float32 [B, 1, R], 1 for a purchase day, 0 for padding.
    """

    numbers: Value
    items: Value
    slots: Value
    ages: Value
    trips: Value
    quantities: Value
    real: Value


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Float32 [B, planes, L]; zero for padding, but for `extremes`.

    Args:
        counted: Four planes: purchase days, and the same halved every `SCALES`.
        by_trips: The first two of TRIPS.
        popular: The last of TRIPS, which is GP-Pop's.
        quantity: The sum.
        bought: 1, or 0 for padding.
        first, last, trip: Days since the oldest and the newest purchase, shopping days since the newest.
        extremes: Three planes: first, -last and -trip; the last two long ago for padding.
    """

    counted: Value
    by_trips: Value
    popular: Value
    quantity: Value
    bought: Value
    first: Value
    last: Value
    trip: Value
    extremes: Value

    def counts(self, decay: float | None) -> Value:
        """[B, 1, L]: purchase days, halved so or not at all."""
        return self.counted.plane(0 if decay is None else 1 + SCALES.index(decay))


def aggregate(graph: Graph, given: Purchases, tau: float) -> Aggregates:
    """Sum, and find the newest and oldest, over the purchase days of each item."""
    padding = (graph.constant(1.0) - given.real).times(LONG_AGO)
    ago = graph.joined([given.ages, given.trips], axis=1) + padding
    which = np.repeat([0, 1], [len(SCALES), len(TRIPS)])
    half_lives = column([*(scale * tau for scale in SCALES), *TRIPS])
    halvings = ago.rows(graph.constant(which), axis=1) * graph.constant(-np.log(np.float32(2)) / half_lives)
    summed = graph.joined([given.real, graph.apply("Exp", halvings), given.quantities], axis=1)
    extreme = graph.joined([given.ages, graph.apply("Neg", ago)], axis=1)
    cells = Cells.of(given.slots, given.numbers, given.items.size(1))
    nothing, long_ago = [0.0] * (len(which) + 2), [0.0, -LONG_AGO, -LONG_AGO]
    sums = cells.of_each(cells.scattered(nothing, summed, "add"), len(nothing)).transposed(0, 2, 1)
    extremes = cells.of_each(cells.scattered(long_ago, extreme, "max"), len(long_ago)).transposed(0, 2, 1)
    counted, by_trips, popular, quantity = sums.split([1 + len(SCALES), 2, 1, 1], axis=1)
    bought = counted.plane(0).at_most(1.0)
    first, last, trip = (extremes * (bought * graph.constant(column([1, -1, -1])))).split([1, 1, 1], axis=1)
    return Aggregates(counted, by_trips, popular, quantity, bought, first, last, trip, extremes)
