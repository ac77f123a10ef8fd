"""The whole graph: histories and candidates in, scores and contributions out. The names are `recsys.scorer`'s."""

from __future__ import annotations

import numpy as np

from recsys.scorer import CANDIDATES, CONTRIBUTIONS, EXPLAINED, HISTORY_COUNTS, HISTORY_ITEMS, SCORES
from training.graph.builder import Graph, Value, tensor
from training.graph.fold_in import System, history_system
from training.graph.reference import FoldIn


def assemble(fold: FoldIn, *, steps: int) -> bytes:
    """Build the graph with so many steps of conjugate gradient, as the bytes of `model.onnx`."""
    graph = Graph()
    table = graph.constant(np.vstack([fold.item_factors, np.zeros_like(fold.item_factors[:1])]))  # padding comes last
    rows = graph.apply("Gather", table, graph.input(HISTORY_ITEMS))
    system = history_system(graph, fold, rows, graph.input(HISTORY_COUNTS))
    confidence = system.beyond_one + graph.constant(1.0)  # one for padding too, whose row is zero

    person = system.solve(confidence @ system.rows, steps=steps)
    candidates = graph.apply("Gather", table, graph.input(CANDIDATES))
    graph.output(SCORES, (candidates @ person.transposed(0, 2, 1)).squeezed(2))

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
        inputs=[
            tensor(HISTORY_ITEMS, np.int64, ["batch", "length"]),
            tensor(HISTORY_COUNTS, np.float32, ["batch", "length"]),
            tensor(CANDIDATES, np.int64, ["candidates"]),
            tensor(EXPLAINED, np.int64, ["explained"]),
        ],
        outputs=[
            tensor(SCORES, np.float32, ["batch", "candidates"]),
            tensor(CONTRIBUTIONS, np.float32, ["batch", "explained", "length"]),
        ],
    )


def _contributions(system: System, explained: Value, confidence: Value, steps: int) -> Value:
    """What purchase i adds to a score: c(i)·v(i)·z with A·z = v(explained), [B, E, L].

    The score is v(explained)ᵀA⁻¹b with b = Σ c(i)·v(i), and A is symmetric: the sum of just these.
    """
    answers = system.solve(explained.unsqueezed(0), steps=steps)
    return (answers @ system.columns) * confidence
