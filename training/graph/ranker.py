"""The ranker as ONNX operations, laid out so that no work is done twice. B histories, L items, C candidates, H hidden.

All candidates are ranked as if they had never been bought: then their own features are the same for all but GP-Pop. The
few of them that a history holds are ranked once more, by all that the history says of them, and that is put in place.
Features are not standardised: weights and bounds of the first layer are brought to their size instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from training.features.assemble import FEATURES, columns_of
from training.features.own import OWN_FEATURES, absent_features
from training.graph.builder import Graph, Value
from training.graph.planes import Planes, column
from training.ranker import CLIP, Network, Ranker

_GP_POP = OWN_FEATURES.index("GP-Pop")


@dataclass(frozen=True, slots=True)
class Families:
    """The features as the graph holds them.

    Args:
        bought: [B, features, L], of the history's items.
        others: [B, features + 1, C], of the candidates as if they had never been bought; the last plane is always 1.
        person: [B, features, 1].
        places: Whole numbers [B, L]: where each of the history's items stands among the candidates; -1: nowhere.
    """

    bought: Planes
    others: Planes
    person: Planes
    places: Value


def log_odds(graph: Graph, given: Families, ranker: Ranker, tau: float) -> Value:
    """[B, C]: the mean over the networks."""
    bought, others, person = (_bounded(planes, ranker) for planes in (given.bought, given.others, given.person))
    ready = Families(bought, others, person, given.places)
    found = [_network(graph, ready, _Network(network, ranker, tau)) for network in ranker.networks_]
    return reduce(Value.__add__, found).times(1 / len(found)) if len(found) > 1 else found[0]


def _bounded(planes: Planes, ranker: Ranker) -> Planes:
    """Clipped where standardised features would be; planes without a name are left as they are."""
    places = [FEATURES.index(name) for name in planes.names if name]
    graph, free = planes.values.graph, np.repeat(np.inf, planes.names.count(""))
    least, most = (
        graph.constant(column(np.append(ranker.mean_[places] + reach * ranker.scale_[places], sign*free)))
        for sign,reach in ((-1,-CLIP), (1,CLIP))
    )
    return Planes(graph.apply("Min", graph.apply("Max", planes.values, least), most), planes.names)


@dataclass(frozen=True)
class _Network:
    """One of the ranker's networks, its first layer for features as they are."""

    learned: Network
    ranker: Ranker
    tau: float

    @property
    def bias(self) -> NDArray[np.float64]:
        """[H], of the first layer."""
        return np.asarray(self.learned.biases[0] - (self.ranker.mean_ / self.ranker.scale_) @ self.learned.weights[0])

    @property
    def never(self) -> NDArray[np.float64]:
        """[H]: what the own features, without GP-Pop, of a thing never bought add to the first layer."""
        columns = columns_of("own")
        mean, scale = self.ranker.mean_[columns], self.ranker.scale_[columns]
        absent = np.clip(absent_features(self.tau), mean - CLIP * scale, mean + CLIP * scale) / scale
        absent[_GP_POP] = 0
        return np.asarray(absent @ self.learned.weights[0][columns])

    def weights(self, planes: Planes) -> NDArray[np.float64]:
        """[features, H], of the first layer."""
        places = [FEATURES.index(name) for name in planes.names if name]
        return np.asarray(self.learned.weights[0][places] / self.ranker.scale_[places][:, None])


def _network(graph: Graph, ready: Families, network: _Network) -> Value:
    """[B, C]: its log odds."""

    def weights(planes: Planes) -> Value:
        return graph.constant(network.weights(planes).astype(np.float32))

    person = ready.person.values.transposed(0, 2, 1) @ weights(ready.person)
    always = person + graph.constant(network.bias.astype(np.float32))
    never = person + graph.constant((network.bias + network.never).astype(np.float32))
    bought = ready.bought.values.transposed(0, 2, 1) @ weights(ready.bought) + always
    others = ready.others.values.transposed(0, 2, 1) @ _over_batch(graph, weights(ready.others), never)
    found = _further(graph, others, network.learned)
    known = _further(graph, bought, network.learned)
    nowhere = known.plane(0)  # anything
    placed = graph.apply("ScatterElements", graph.joined([found, nowhere], axis=1), ready.places, known, axis=1)
    ends = (graph.constant(np.array([end], np.int64)) for end in (0, -1, 1))
    return graph.apply("Slice", placed, *ends)


def _further(graph: Graph, first: Value, network: Network) -> Value:
    """[B, X]: what the layers after the first, [B, X, H], make of it."""
    shape = graph.apply("Shape", first, start=0, end=2)
    flat = graph.apply("Relu", first).reshaped(graph.constant(np.array([-1, network.weights[0].shape[1]], np.int64)))
    for weights, biases in zip(network.weights[1:], network.biases[1:], strict=True):
        pair = (graph.constant(part.astype(np.float32)) for part in (weights, biases))
        flat = graph.apply("Gemm", flat, *pair)
        if weights is not network.weights[-1]:
            flat = graph.apply("Relu", flat)
    return graph.apply("Reshape", flat, shape, allowzero=1)  # else no candidates at all would be one


def _over_batch(graph: Graph, weights: Value, row: Value) -> Value:
    """[B, features + 1, H]: weights [features, H], the same for all, above each history's own row [B, 1, H]."""
    shape = graph.joined([row.size(0), graph.apply("Shape", weights)], axis=0)
    return graph.joined([graph.apply("Expand", weights, shape), row], axis=1)
