"""The ranker as ONNX operations, laid out so that no work is done twice. B histories, L items, C candidates, H hidden.

The first layer is a sum over the families of features. A candidate that a history does not hold has the same own
features as any other, so the own family is a constant for all candidates, corrected at the few that were bought.
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
        pair: [B, C, features], those of the category and the collaborative ones.
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
    ready = _standardised(graph, given, ranker)
    total = _network(graph, ready, ranker.networks_[0], ranker, tau)
    for network in ranker.networks_[1:]:
        total = total + _network(graph, ready, network, ranker, tau)
    return total.times(1 / len(ranker.networks_))


def _standardised(graph: Graph, given: Families, ranker: Ranker) -> Families:
    def scaled(values: Value, columns: slice) -> Value:
        mean = graph.constant(ranker.mean_[columns].astype(np.float32))
        scale = graph.constant((1 / ranker.scale_[columns]).astype(np.float32))
        return ((values - mean) * scale).within(CLIP)

    alone = slice(_GP_POP, _GP_POP + 1)
    return Families(
        own=scaled(given.own, columns_of("own")),
        own_absent=scaled(given.own_absent, alone),
        absent=scaled(given.absent, alone),
        item=scaled(given.item, columns_of("item")),
        person=scaled(given.person, columns_of("person")),
        pair=scaled(given.pair, _PAIR),
        places=given.places,
    )


def _network(graph: Graph, ready: Families, network: Network, ranker: Ranker, tau: float) -> Value:
    first = network.weights[0]

    def weighed(values: Value, weights: NDArray[np.float64]) -> Value:
        return values @ graph.constant(weights.astype(np.float32))

    columns = columns_of("own")
    own = first[columns]
    popular = own[_GP_POP : _GP_POP + 1]
    absent = np.clip((absent_features(tau) - ranker.mean_[columns]) / ranker.scale_[columns], -CLIP, CLIP)
    absent[_GP_POP] = 0
    constant = graph.constant((absent @ own).astype(np.float32))
    always = graph.constant((absent @ own + network.biases[0]).astype(np.float32))
    item = weighed(graph.joined([ready.item, ready.absent], axis=-1), np.vstack([first[columns_of("item")], popular]))
    hidden = weighed(ready.pair, first[_PAIR]) + item + (weighed(ready.person, first[columns_of("person")]) + always)
    correction = weighed(ready.own, own) - weighed(ready.own_absent, popular) - constant
    hidden = graph.apply("ScatterND", hidden, ready.places, correction, reduction="add")
    for weights, biases in zip(network.weights[1:], network.biases[1:], strict=True):
        hidden = weighed(graph.apply("Relu", hidden), weights) + graph.constant(biases.astype(np.float32))
    return hidden.squeezed(-1)
