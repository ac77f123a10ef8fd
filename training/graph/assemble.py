"""The whole graph: histories and candidates in, scores out. The names are `recsys.scorer`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from onnx import TensorProto

from recsys.item_table import ITEM_FEATURES, PRIOR
from recsys.scorer import (
    AFFINITIES,
    CANDIDATES,
    CONTRIBUTIONS,
    EXPLAINED,
    HISTORY_ITEMS,
    ITEM_STATISTICS,
    PURCHASE_AGES,
    PURCHASE_QUANTITIES,
    PURCHASE_SLOTS,
    PURCHASE_TRIPS,
    RECALLED,
    SCORES,
)
from training.features.aggregate import RECENT
from training.features.assemble import Lens
from training.features.category import CATEGORY_FEATURES
from training.features.collaborative import Spread
from training.graph.aggregate import Aggregates, Purchases, aggregate
from training.graph.builder import Graph, Value, tensor
from training.graph.category import category_counts, category_features
from training.graph.collaborative import Tastes
from training.graph.fold_in import Coordinates, System, history_system
from training.graph.own import gp_pop, own_features
from training.graph.person import person_features, trips_of
from training.graph.planes import Cells, Planes, named, numbered
from training.graph.ranker import Families, log_odds
from training.graph.table import Table
from training.ranker import Ranker

_NAMED: Final[dict[str, tuple[type[np.float32 | np.int64], list[str]]]] = {
    HISTORY_ITEMS: (np.int64, ["batch", "length"]),
    PURCHASE_SLOTS: (np.int64, ["batch", "purchases"]),
    PURCHASE_AGES: (np.float32, ["batch", "purchases"]),
    PURCHASE_TRIPS: (np.float32, ["batch", "purchases"]),
    PURCHASE_QUANTITIES: (np.float32, ["batch", "purchases"]),
    ITEM_STATISTICS: (np.float32, ["items", "statistics"]),
    CANDIDATES: (np.int64, ["candidates"]),
    EXPLAINED: (np.int64, ["explained"]),
    RECALLED: (np.int64, ["recalled"]),
}


def assemble(lens: Lens, ranker: Ranker | None, *, steps: int) -> bytes:
    """Build the graph with so many steps of conjugate gradient, as the bytes of `model.onnx`.

    Without a ranker a candidate's score is its folded-in score.
    """
    graph = Graph()
    fold = lens.fold
    coordinates = Coordinates.of(fold)
    table = Table.of(graph, fold, coordinates)
    purchases = _purchases(graph)
    given = aggregate(graph, purchases, lens.tau)
    rows = table.rows(purchases.items)
    system = history_system(graph, fold, coordinates.gram, rows, given.counts(fold.decay))
    lately = system.confidence * given.trip.below(RECENT)
    candidates, recalled, explained = (graph.input(name) for name in (CANDIDATES, RECALLED, EXPLAINED))

    def told() -> list[Value]:
        people = system.solve(graph.joined([system.confidence, lately], axis=1) @ system.rows, steps=steps)
        affinities = _affinities(people, table, recalled)
        if ranker is None:
            return [_affinities(people, table, candidates), affinities]
        ranking = _Ranking(graph, lens, purchases, given, lens.spread.turned(coordinates.turn))
        return [ranking.scores(people, table, rows, ranker), affinities]

    def taken_apart() -> list[Value]:
        return [_contributions(graph, system, table.rows(explained), steps)]

    # onnxruntime computes every output, asked for or not: here what is asked tells what is computed.
    asked = graph.joined([candidates, recalled], axis=0).not_empty()
    scores, affinities = graph.only_if(asked, told, lambda: [_nothing(purchases, 1), _nothing(purchases, 1)])
    (contributions,) = graph.only_if(explained.not_empty(), taken_apart, lambda: [_nothing(purchases, 2)])
    graph.output(SCORES, scores)
    graph.output(AFFINITIES, affinities)
    graph.output(CONTRIBUTIONS, contributions)
    return graph.serialized(
        inputs=[tensor(name, dtype, shape) for name, (dtype, shape) in _NAMED.items()],
        outputs=[
            tensor(SCORES, np.float32, ["batch", "candidates"]),
            tensor(AFFINITIES, np.float32, ["batch", "recalled"]),
            tensor(CONTRIBUTIONS, np.float32, ["batch", "explained", "length"]),
        ],
    )


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Joins the families of features for the candidates."""

    graph: Graph
    lens: Lens
    purchases: Purchases
    given: Aggregates
    spread: Spread

    def scores(self, people: Value, table: Table, rows: Value, ranker: Ranker) -> Value:
        """[B, C]: the chance that each candidate is bought next; `rows` are the factors of the history's items."""
        graph, lens, given, bought = self.graph, self.lens, self.given, self.purchases.items
        statistics, candidates = graph.input(ITEM_STATISTICS), graph.input(CANDIDATES)
        of_item = graph.constant(np.append(lens.categories, lens.size).astype(np.int32))
        of_bought = graph.apply("Cast", of_item.rows(bought), to=TensorProto.INT64)
        cells = Cells.of(of_bought, self.purchases.numbers, graph.constant(np.array([lens.size + 1], np.int64)))
        counts = category_counts(graph, cells, given, lens.tau)
        tastes = Tastes.of(graph, people, self.spread)
        trips = trips_of(self.purchases)
        items = Planes(statistics.rows(bought).transposed(0, 2, 1), named("item", ITEM_FEATURES))
        own = own_features(graph, given, items.values, trips, counts.rows(cells.rows).transposed(0, 2, 1))
        of_candidates = of_item.rows(candidates)

        def pairs(of_one: Sequence[Value]) -> Planes:
            logs, both, mean, deviation = of_one
            return Planes.joined([category_features(logs, of_candidates), Tastes(mean, deviation).features(both)])

        both = table.products(people, candidates)
        families = Families(
            bought=Planes.joined([own, items, tastes.features(people @ rows.transposed(0, 2, 1))]),
            person=person_features(graph, self.purchases, given, trips),
            items=_never_bought(graph, statistics.rows(candidates).transposed(1, 0)),
            given=(cells.of_each(counts.log1p(), len(CATEGORY_FEATURES)), both, tastes.mean, tastes.deviation),
            pairs=pairs,
            places=self._places(candidates),
        )
        return graph.apply("Sigmoid", log_odds(graph, families, ranker, lens.tau))

    def _places(self, candidates: Value) -> Value:
        """int32 [B, L]: where each of a history's items stands among the candidates; -1: nowhere."""
        graph = self.graph
        nowhere = graph.constant(np.full(len(self.lens.categories) + 1, -1, np.int32))
        zero, one = graph.constant(np.array(0, np.int32)), graph.constant(np.array(1, np.int32))
        count = graph.apply("Cast", candidates.size(0).squeezed(0), to=TensorProto.INT32)
        places = graph.apply("Range", zero, count, one)
        return graph.apply("ScatterElements", nowhere, candidates, places, axis=0).rows(self.purchases.items)


def _never_bought(graph: Graph, items: Value) -> Planes:
    """What the item table says of the candidates, [S, C], and their GP-Pop as if they had never been bought."""
    values = graph.joined([items, gp_pop(None, items.plane(PRIOR))], axis=0)
    return Planes(values, named("item", ITEM_FEATURES) + named("own", ["GP-Pop"]))


def _purchases(graph: Graph) -> Purchases:
    items, quantities = graph.input(HISTORY_ITEMS), graph.input(PURCHASE_QUANTITIES).unsqueezed(1)
    return Purchases(
        numbers=numbered(graph, items),
        items=items,
        slots=graph.input(PURCHASE_SLOTS),
        ages=graph.input(PURCHASE_AGES).unsqueezed(1),
        trips=graph.input(PURCHASE_TRIPS).unsqueezed(1),
        quantities=quantities,
        real=quantities.above(0.0),
    )


def _nothing(purchases: Purchases, axes: int) -> Value:
    """For each history an empty row, or an empty table."""
    graph, empty = purchases.numbers.graph, np.zeros(axes, np.int64)
    return graph.filled(graph.joined([purchases.numbers.size(0), graph.constant(empty)], axis=0), 0.0)


def _affinities(people: Value, table: Table, items: Value) -> Value:
    """Folded-in scores [B, C]. Two rows a subject at least are multiplied: one alone would take another kernel."""
    return table.products(people, items).rows(people.graph.constant(np.array(0, np.int64)), axis=1)


def _contributions(graph: Graph, system: System, explained: Value, steps: int) -> Value:
    """What purchase i adds to a folded-in score: c(i)·v(i)·z with A·z = v(explained), [B, E, L].

    That score is v(explained)ᵀA⁻¹b with b = Σ c(i)·v(i), and A is symmetric: the sum of just these.
    """
    right = graph.apply(
        "Expand", explained, graph.joined([system.rows.size(0), graph.apply("Shape", explained)], axis=0)
    )
    return (system.solve(right, steps=steps) @ system.rows.transposed(0, 2, 1)) * system.confidence
