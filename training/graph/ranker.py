"""The ranker as ONNX operations, laid out so that no work is done twice. B histories, L items, C candidates, H hidden.

All candidates are ranked as if they had never been bought: then their own features are the same for all but GP-Pop. The
few of them that a history holds are ranked once more, by all that the history says of them, and that is put in place.
Features are not standardised: the weights of the first layer, and the bounds, are brought to their size instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.features.assemble import FEATURES, columns_of
from training.features.own import OWN_FEATURES, absent_features
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, column
from training.ranker import CLIP, Network, Ranker

PAIRS: Final = FEATURES[columns_of("category").start : columns_of("collaborative").stop]
_GP_POP: Final = OWN_FEATURES.index("GP-Pop")


@dataclass(frozen=True, slots=True)
class Families:
    """The features as the graph holds them.

    Args:
        bought: [B, features, L], of the history's items.
        person: [B, features, 1].
        items: [features, C], of the candidates as if they had never been bought, the same for every history.
        given, pairs: `pairs` makes PAIRS, [features, C], of what is given of one history.
        places: Whole numbers [B, L]: where each of the history's items stands among the candidates; -1: nowhere.
    """

    bought: Planes
    person: Planes
    items: Planes
    given: Sequence[Value]
    pairs: Callable[[Sequence[Value]], Planes]
    places: Value


def log_odds(graph: Graph, families: Families, ranker: Ranker, tau: float) -> Value:
    """[B, C]: the mean over the networks."""
    layers = [_Layers(network, ranker, tau) for network in ranker.networks_]
    person = _bounded(families.person, ranker)
    people = [(layer, layer.first(person)) for layer in layers]
    found = _if_never_bought(graph, families, ranker, people)
    known = _if_bought(graph, families, ranker, people)
    nowhere = known.rows(graph.constant(np.array([0], np.int64)), axis=1)  # for what is no candidate, one more
    placed = graph.apply("ScatterElements", graph.joined([found, nowhere], axis=1), families.places, known, axis=1)
    ends = (graph.constant(np.array([end], np.int64)) for end in (0, -1, 1))
    return graph.apply("Slice", placed, *ends)


def _if_bought(graph: Graph, families: Families, ranker: Ranker, people: Sequence[tuple[_Layers, Value]]) -> Value:
    """[B, L]: of the history's items."""
    bought = _bounded(families.bought, ranker)
    firsts = [(layer, layer.first(bought) + layer.with_bias(person)) for layer, person in people]
    flat = [
        layer.further(first.reshaped(graph.constant(np.array([-1, layer.learned.weights[0].shape[1]], np.int64))))
        for layer, first in firsts
    ]
    return _mean(flat).reshaped(graph.apply("Shape", families.places))


def _if_never_bought(
    graph: Graph, families: Families, ranker: Ranker, people: Sequence[tuple[_Layers, Value]]
) -> Value:
    """[B, C]. What is the same for all candidates is the weight of a plane that is always 1."""
    items = _bounded(families.items, ranker)
    ones = graph.filled(graph.apply("Shape", items.values.plane(0)), 1.0)
    same = graph.joined([items.values, ones], axis=0)
    weights = [layer.of_one(person, PAIRS + items.names) for layer, person in people]

    def of_one(entries: Sequence[Value]) -> Value:
        pairs = _bounded(families.pairs(entries[len(weights) :]), ranker)
        planes = graph.joined([pairs.values, same], axis=0)
        firsts = [graph.apply("Gemm", planes, own, transA=1) for own in entries[: len(weights)]]
        return _mean([layer.further(first) for (layer, _), first in zip(people, firsts, strict=True)])

    return graph.for_each([*weights, *families.given], of_one)


def _bounded(planes: Planes, ranker: Ranker) -> Planes:
    """Clipped where standardised features would be."""
    graph, places = planes.values.graph, [FEATURES.index(name) for name in planes.names]
    mean, reach = ranker.mean_[places], CLIP * ranker.scale_[places]
    least, most = (graph.constant(column(bound)) for bound in (mean - reach, mean + reach))
    return Planes(graph.apply("Min", graph.apply("Max", planes.values, least), most), planes.names)


def _mean(found: Sequence[Value]) -> Value:
    return found[0] if len(found) == 1 else reduce(Value.__add__, found).times(1 / len(found))


@dataclass(frozen=True)
class _Layers:
    """One of the ranker's networks, its first layer for features as they are."""

    learned: Network
    ranker: Ranker
    tau: float

    def first(self, planes: Planes) -> Value:
        """[B, X, H]: what features [B, features, X] add to the first layer."""
        return planes.values.transposed(0, 2, 1) @ planes.values.graph.constant(self._weights(planes.names))

    def with_bias(self, person: Value) -> Value:
        """The first layer's bias added."""
        return person + person.graph.constant(self._bias.astype(np.float32))

    def of_one(self, person: Value, names: Sequence[str]) -> Value:
        """[B, features + 1, H]: the weights of named planes, and above them what is the same for all candidates.

        That is what is said of the person, [B, 1, H], the bias, and the own features, but for GP-Pop, of a thing that
        was never bought.
        """
        graph, columns = person.graph, columns_of("own")
        mean, scale = self.ranker.mean_[columns], self.ranker.scale_[columns]
        absent = np.clip(absent_features(self.tau), mean - CLIP * scale, mean + CLIP * scale) / scale
        absent[_GP_POP] = 0
        always = self._bias + absent @ self.learned.weights[0][columns]
        weights = self._weights(names)
        shape = graph.joined([person.size(0), graph.constant(np.array(weights.shape, np.int64))], axis=0)
        same = graph.apply("Expand", graph.constant(weights), shape)
        return graph.joined([same, person + graph.constant(always.astype(np.float32))], axis=1)

    def further(self, first: Value) -> Value:
        """[X]: what the layers after the first, [X, H], make of it."""
        values = first.graph.apply("Relu", first)
        for weights, biases in zip(self.learned.weights[1:], self.learned.biases[1:], strict=True):
            parts = (first.graph.constant(part.astype(np.float32)) for part in (weights, biases))
            values = first.graph.apply("Gemm", values, *parts)
            if weights is not self.learned.weights[-1]:
                values = first.graph.apply("Relu", values)
        return values.squeezed(1)

    @property
    def _bias(self) -> NDArray[np.float64]:
        """[H], of the first layer."""
        return np.asarray(self.learned.biases[0] - (self.ranker.mean_ / self.ranker.scale_) @ self.learned.weights[0])

    def _weights(self, names: Sequence[str]) -> NDArray[np.float32]:
        """[features, H], of the first layer."""
        places = [FEATURES.index(name) for name in names]
        return np.asarray(self.learned.weights[0][places] / self.ranker.scale_[places][:, None], np.float32)
