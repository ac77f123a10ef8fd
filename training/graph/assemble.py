"""The whole graph: histories and candidates in, scores out. The names are `recsys.scorer`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.item_table import PRIOR
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
from training.features.aggregate import RECENT, SCALES
from training.features.assemble import Lens
from training.features.collaborative import Spread
from training.graph.aggregate import Aggregates, Purchases, aggregate
from training.graph.builder import Graph, Value, tensor
from training.graph.category import Categories
from training.graph.collaborative import collaborative_features
from training.graph.fold_in import Coordinates, System, history_system
from training.graph.own import gp_pop, own_features
from training.graph.person import person_features, trips_of
from training.graph.ranker import Families, log_odds, standardised, standardised_planes
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
    counts = given.days if fold.decay is None else given.decayed[SCALES.index(fold.decay)]
    system = history_system(graph, fold, coordinates.diagonal, table.rows(purchases.items), counts)
    confidence = system.beyond_one + graph.constant(1.0)  # one for padding too, whose row is zero
    lately = confidence * given.trip.below(RECENT).unsqueezed(1)
    people = system.solve(graph.joined([confidence, lately], axis=1) @ system.rows, steps=steps)
    graph.output(AFFINITIES, _affinities(people, table.rows(graph.input(RECALLED))))
    if ranker is None:
        graph.output(SCORES, _affinities(people, table.rows(graph.input(CANDIDATES))))
    else:
        ranking = _Ranking(graph, lens, purchases, given, lens.spread.turned(coordinates.turn))
        graph.output(SCORES, ranking.scores(people, table, ranker))
    explained = graph.input(EXPLAINED)
    graph.output(
        CONTRIBUTIONS,
        graph.only_if(  # onnxruntime computes every output, asked for or not, and this one is dear
            explained.not_empty(),
            lambda branch: _contributions(system, branch.apply("Gather", table, explained), confidence, steps),
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
    spread: Spread

    def scores(self, people: Value, table: Value, ranker: Ranker) -> Value:
        """[B, C]: the chance that each candidate is bought next."""
        graph, lens, given = self.graph, self.lens, self.given
        statistics = graph.input(ITEM_STATISTICS)
        asked = graph.input(CANDIDATES)
        padding = graph.constant(np.array([len(lens.categories)], np.int64))
        candidates = graph.joined([asked, padding], axis=0)  # one more, where what nobody asked for goes
        of_item = graph.constant(np.append(lens.categories, lens.size))
        categories = Categories.of(graph, of_item.rows(self.purchases.items), lens.size)
        in_category = categories.summed(given.days)
        own_items = statistics.rows(self.purchases.items)
        trips = trips_of(self.purchases)
        items = statistics.rows(candidates)
        own = own_features(graph, given, own_items, trips, categories.at_items(in_category))
        own_absent, absent = (gp_pop(None, rows.column(PRIOR)).unsqueezed(-1) for rows in (own_items, items))
        person = person_features(graph, self.purchases, given, trips).unsqueezed(1)
        category = standardised(categories.features(given, in_category, lens.tau), "category", ranker)
        planes = collaborative_features(graph, people, table.rows(candidates), self.spread)
        places = self._places(asked, padding)
        collaborative = standardised_planes(planes, "collaborative", ranker)
        pair = graph.joined([category.rows(of_item.rows(candidates), axis=1), collaborative], axis=-1)
        families = Families(own, own_absent, absent, items, person, pair, places)
        chances = graph.apply("Sigmoid", log_odds(graph, families, ranker, lens.tau))
        start, axis = graph.constant(np.array([0], np.int64)), graph.constant(np.array([1], np.int64))
        return graph.apply("Slice", chances, start, asked.size(0), axis)

    def _places(self, asked: Value, padding: Value) -> Value:
        """int64 [B, L, 2]: where each of a history's items stands among the candidates, or after them."""
        graph, one = self.graph, np.array([1], np.int64)
        count = asked.size(0)
        nowhere = graph.apply("Expand", count, padding + graph.constant(one))
        zero, step = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
        inverse = graph.apply(
            "ScatterElements", nowhere, asked, graph.apply("Range", zero, count.squeezed(0), step), axis=0
        )
        position = inverse.rows(self.purchases.items)
        batch = graph.apply("Range", zero, self.purchases.items.size(0).squeezed(0), step).unsqueezed(1)
        row = graph.apply("Expand", batch, graph.apply("Shape", self.purchases.items))
        return graph.stacked([row, position])


def _purchases(graph: Graph) -> Purchases:
    quantities = graph.input(PURCHASE_QUANTITIES)
    return Purchases(
        items=graph.input(HISTORY_ITEMS),
        slots=graph.input(PURCHASE_SLOTS),
        ages=graph.input(PURCHASE_AGES),
        trips=graph.input(PURCHASE_TRIPS),
        quantities=quantities,
        real=quantities.above(0.0),
    )


def _affinities(people: Value, factors: Value) -> Value:
    """Folded-in scores [B, C]. Two rows a subject at least are multiplied: one alone would take another kernel."""
    both = people @ factors.transposed(1, 0)
    return both.rows(people.graph.constant(np.array(0, np.int64)), axis=1)


def _contributions(system: System, explained: Value, confidence: Value, steps: int) -> Value:
    """What purchase i adds to a folded-in score: c(i)·v(i)·z with A·z = v(explained), [B, E, L].

    That score is v(explained)ᵀA⁻¹b with b = Σ c(i)·v(i), and A is symmetric: the sum of just these.
    """
    answers = system.solve(explained.unsqueezed(0), steps=steps)
    return (answers @ system.columns) * confidence
