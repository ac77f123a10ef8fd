"""The whole graph: histories and candidates in, scores out. The names are `recsys.scorer`'s."""

from __future__ import annotations

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
from training.graph.aggregate import Aggregates, Purchases, aggregate
from training.graph.builder import Graph, Value, tensor
from training.graph.category import Categories
from training.graph.collaborative import Tastes
from training.graph.fold_in import Coordinates, System, history_system
from training.graph.own import gp_pop, own_features
from training.graph.person import person_features, trips_of
from training.graph.planes import Planes, named
from training.graph.ranker import Families, log_odds
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
    factors = coordinates.items(fold.item_factors)
    table = graph.constant(np.vstack([factors, np.zeros_like(factors[:1])]))  # padding comes last
    purchases = _purchases(graph)
    given = aggregate(graph, purchases, lens.tau)
    rows = table.rows(purchases.items)
    system = history_system(graph, fold, coordinates.diagonal, rows, given.counts(fold.decay))
    lately = system.confidence * given.trip.below(RECENT)
    people = system.solve(graph.joined([system.confidence, lately], axis=1) @ system.rows, steps=steps)
    graph.output(AFFINITIES, _affinities(people, table.rows(graph.input(RECALLED))))
    if ranker is None:
        graph.output(SCORES, _affinities(people, table.rows(graph.input(CANDIDATES))))
    else:
        tastes = Tastes.of(graph, people, lens.spread.turned(coordinates.turn))
        graph.output(SCORES, _Ranking(graph, lens, purchases, given).scores(tastes, table, rows, ranker))
    explained = graph.input(EXPLAINED)
    graph.output(
        CONTRIBUTIONS,
        graph.only_if(  # onnxruntime computes every output, asked for or not, and this one is dear
            explained.not_empty(),
            lambda branch: _contributions(branch, system, branch.apply("Gather", table, explained), steps),
            otherwise=np.empty((0, 0, 0), np.float32),
        ),
    )
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

    def scores(self, tastes: Tastes, table: Value, rows: Value, ranker: Ranker) -> Value:
        """[B, C]: the chance that each candidate is bought next; `rows` are the factors of the history's items."""
        graph, lens, given, bought = self.graph, self.lens, self.given, self.purchases.items
        statistics, candidates = graph.input(ITEM_STATISTICS), graph.input(CANDIDATES)
        of_item = graph.constant(np.append(lens.categories, lens.size).astype(np.int32))
        of_bought = graph.apply("Cast", of_item.rows(bought), to=TensorProto.INT64)
        categories = Categories.of(graph, of_bought, lens.size, given, lens.tau)
        trips = trips_of(self.purchases)
        items = named("item", ITEM_FEATURES)
        own_items = Planes(statistics.rows(bought).transposed(0, 2, 1), items)
        own = own_features(graph, given, own_items.values, trips, categories.at_items())
        families = Families(
            bought=Planes.joined([own, own_items, tastes.of_items(rows.transposed(0, 2, 1))]),
            others=Planes.joined(
                [
                    categories.at(of_item.rows(candidates)),
                    tastes.of_items(table.rows(candidates).transposed(1, 0)),
                    self._over_batch(statistics.rows(candidates).transposed(1, 0)),
                ]
            ),
            person=person_features(graph, self.purchases, given, trips),
            places=self._places(candidates),
        )
        return graph.apply("Sigmoid", log_odds(graph, families, ranker, lens.tau))

    def _over_batch(self, items: Value) -> Planes:
        """What the item table, [S, C], says of the candidates, and their GP-Pop as if they had never been bought."""
        graph = self.graph
        prior = items.rows(graph.constant(np.array([PRIOR], np.int64)))
        ones = graph.filled(graph.apply("Shape", prior), 1.0)
        planes = graph.joined([items, gp_pop(None, prior), ones], axis=0)
        shape = graph.joined([self.purchases.items.size(0), graph.apply("Shape", planes)], axis=0)
        return Planes(graph.apply("Expand", planes, shape), (*named("item", ITEM_FEATURES), *named("own", ["GP-Pop"]), ""))

    def _places(self, candidates: Value) -> Value:
        """int32 [B, L]: where each of a history's items stands among the candidates; -1: nowhere."""
        graph = self.graph
        nowhere = graph.constant(np.full(len(self.lens.categories) + 1, -1, np.int32))
        zero, one = graph.constant(np.array(0, np.int32)), graph.constant(np.array(1, np.int32))
        count = graph.apply("Cast", candidates.size(0).squeezed(0), to=TensorProto.INT32)
        places = graph.apply("Range", zero, count, one)
        return graph.apply("ScatterElements", nowhere, candidates, places, axis=0).rows(self.purchases.items)


def _purchases(graph: Graph) -> Purchases:
    quantities = graph.input(PURCHASE_QUANTITIES).unsqueezed(1)
    return Purchases(
        items=graph.input(HISTORY_ITEMS),
        slots=graph.input(PURCHASE_SLOTS),
        ages=graph.input(PURCHASE_AGES).unsqueezed(1),
        trips=graph.input(PURCHASE_TRIPS).unsqueezed(1),
        quantities=quantities,
        real=quantities.above(0.0),
    )


def _affinities(people: Value, factors: Value) -> Value:
    """Folded-in scores [B, C]. Two rows a subject at least are multiplied: one alone would take another kernel."""
    both = people @ factors.transposed(1, 0)
    return both.rows(people.graph.constant(np.array(0, np.int64)), axis=1)


def _contributions(graph: Graph, system: System, explained: Value, steps: int) -> Value:
    """What purchase i adds to a folded-in score: c(i)·v(i)·z with A·z = v(explained), [B, E, L].

    That score is v(explained)ᵀA⁻¹b with b = Σ c(i)·v(i), and A is symmetric: the sum of just these.
    """
    batch = graph.apply("Shape", system.rows, start=0, end=1)
    right = graph.apply("Expand", explained, graph.joined([batch, graph.apply("Shape", explained)], axis=0))
    columns = graph.apply("Transpose", system.rows, perm=[0, 2, 1])  # of this branch: elsewhere products transpose
    return (system.solve(right, steps=steps) @ columns) * system.confidence
