"""The ranker as ONNX operations, laid out so that no work is done twice. B histories, L items, C candidates, H hidden.

The first layer is a sum over the families of features. A candidate that a history does not hold has the same own
features as any other, so the own family is a constant for all candidates, corrected at the few that were bought. What
is the same for all candidates enters the product of the pairs as the weight of a feature that is always 1: a pass over
[B, C, H] costs as much as the product itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.features.assemble import columns_of
from training.features.own import OWN_FEATURES, absent_features
from training.graph.builder import Graph, Value
from training.ranker import CLIP, Network, Ranker

_GP_POP = OWN_FEATURES.index("GP-Pop")
_PAIR = slice(columns_of("category").start, columns_of("collaborative").stop)


@dataclass(frozen=True, slots=True)
class Families:
    """The features as the graph holds them.

    Args:
        own: [B, L, features], of the history's items.
        own_absent: [B, L, 1], their GP-Pop as if they had never been bought.
        absent: [C, 1], the GP-Pop of the candidates as if they had never been bought.
        item: [C, features].
        person: [B, 1, features].
        pair: [B, C, features + 1], those of the category and the collaborative ones, standardised; the last is 1.
        places: int64 [B, L, 2]: for each of the history's items its row and its position among the candidates.
    """

    own: Value
    own_absent: Value
    absent: Value
    item: Value
    person: Value
    pair: Value
    places: Value


def log_odds(graph: Graph, given: Families, ranker: Ranker, tau: float) -> Value:
    """[B, C]: the mean over the networks."""
    ready = _standardised(given, ranker)
    total = _network(graph, ready, ranker.networks_[0], ranker, tau)
    for network in ranker.networks_[1:]:
        total = total + _network(graph, ready, network, ranker, tau)
    return total.times(1 / len(ranker.networks_))


def standardised(values: Value, family: str, ranker: Ranker) -> Value:
    """As the ranker sees a family's features, which lie along the last axis."""
    return _scaled(values, columns_of(family), ranker)


def standardised_planes(planes: list[Value], family: str, ranker: Ranker) -> Value:
    """The same of features [B, C] each, and a last one that is always 1: [B, C, features + 1]."""
    graph, columns = planes[0].graph, columns_of(family)
    means, scales = ranker.mean_[columns].tolist(), (1 / ranker.scale_[columns]).tolist()
    scaled = [plane.plus(-mean).times(scale) for plane, mean, scale in zip(planes, means, scales, strict=True)]
    ones = graph.filled(graph.apply("Shape", planes[0]), 1.0)
    return graph.stacked([*scaled, ones]).within(CLIP)


def _scaled(values: Value, columns: slice, ranker: Ranker) -> Value:
    mean = values.graph.constant(ranker.mean_[columns].astype(np.float32))
    scale = values.graph.constant((1 / ranker.scale_[columns]).astype(np.float32))
    return ((values - mean) * scale).within(CLIP)


def _standardised(given: Families, ranker: Ranker) -> Families:
    alone = slice(_GP_POP, _GP_POP + 1)
    return Families(
        own=standardised(given.own, "own", ranker),
        own_absent=_scaled(given.own_absent, alone, ranker),
        absent=_scaled(given.absent, alone, ranker),
        item=standardised(given.item, "item", ranker),
        person=standardised(given.person, "person", ranker),
        pair=given.pair,
        places=given.places,
    )


def _network(graph: Graph, ready: Families, network: Network, ranker: Ranker, tau: float) -> Value:
    first = network.weights[0]

    def weighed(values: Value, weights: NDArray[np.floating]) -> Value:
        return values @ graph.constant(weights.astype(np.float32))

    columns = columns_of("own")
    own = first[columns]
    popular = own[_GP_POP : _GP_POP + 1]
    absent = np.clip((absent_features(tau) - ranker.mean_[columns]) / ranker.scale_[columns], -CLIP, CLIP)
    absent[_GP_POP] = 0
    constant = graph.constant((absent @ own).astype(np.float32))
    always = graph.constant((absent @ own + network.biases[0]).astype(np.float32))
    item = weighed(graph.joined([ready.item, ready.absent], axis=-1), np.vstack([first[columns_of("item")], popular]))
    person = weighed(ready.person, first[columns_of("person")]) + always
    hidden = ready.pair @ _over_batch(graph, first[_PAIR], person) + item
    correction = weighed(ready.own, own) - weighed(ready.own_absent, popular) - constant
    hidden = graph.apply("ScatterND", hidden, ready.places, correction, reduction="add")
    shape = graph.apply("Shape", hidden, start=0, end=2)
    flat = graph.apply("Relu", hidden).reshaped(graph.constant(np.array([-1, first.shape[1]], np.int64)))
    for weights, biases in zip(network.weights[1:-1], network.biases[1:-1], strict=True):
        biased = graph.constant(biases.astype(np.float32))
        flat = graph.apply("Relu", graph.apply("Gemm", flat, graph.constant(weights.astype(np.float32)), biased))
    return weighed(flat, network.weights[-1]).reshaped(shape).plus(float(network.biases[-1][0]))


def _over_batch(graph: Graph, weights: NDArray[np.floating], row: Value) -> Value:
    """[B, features + 1, H]: weights [features, H], the same for all, above each history's own row [B, 1, H]."""
    shape = graph.joined([row.size(0), graph.constant(np.array(weights.shape, np.int64))], axis=0)
    return graph.joined([graph.apply("Expand", graph.constant(weights.astype(np.float32)), shape), row], axis=1)
