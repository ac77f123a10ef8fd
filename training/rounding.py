"""A smaller bundle: item factors rounded to a byte each, where that leaves the lists what they were (docs/adr/0035).

Factors are rounded once, before anything is made of them: the model and its graph share what is left of them, and are
held to each other as they always are. What rounding itself changes is told by the lists of both models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from recsys.bundle import Bundle
from recsys.errors import BundleError
from recsys.evaluation.lists import top_lists
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.agreeing import Draft, graph_of
from training.features.fold_in import FoldIn, WholeNumbers
from training.graph.fold_in import Coordinates
from training.parity import TOP, Native
from training.settings import ItemTable

SAME: Final = 0.99  # of the lists
_LARGEST: Final = 127  # so that a number and its negative are both there
_TOGETHER: Final = 16  # histories


def rounded(native: Native) -> Native:
    """The model with rounded factors."""
    return replace(native, lens=replace(native.lens, fold=rounded_fold(native.lens.fold)))


def rounded_fold(fold: FoldIn) -> FoldIn:
    """Fold-in with factors that are whole numbers in coordinates of the graph: each row has a scale of its own.

    Of all T that make the same preconditioner T·Tᵀ the symmetric one: it stays nearest to the coordinates in which
    factors were learned, which rounding harms least (docs/adr/0035).

    Raises:
        BundleError: Factors are not numbers, or no longer.
        LinAlgError: There are no such coordinates.
    """
    axes, lengths, _ = np.linalg.svd(Coordinates.of(fold).turn)
    turn = (axes * lengths) @ axes.T
    factors = fold.item_factors @ turn
    scales = (np.abs(factors).max(axis=1) / _LARGEST).astype(np.float32)
    worth = scales.astype(np.float64)[:, None]
    exact = np.divide(factors, worth, out=np.zeros_like(factors), where=worth > 0)
    numbers = np.rint(exact).clip(-_LARGEST, _LARGEST).astype(np.int8)
    with np.errstate(over="ignore"):  # it is looked for
        stood_for = np.linalg.solve(turn.T, (numbers * worth).T).T.astype(np.float32)
    if not np.isfinite(stood_for).all():
        raise BundleError("holds what is not a number", where="the rounded factorization")
    return replace(fold, item_factors=stood_for, whole=WholeNumbers(numbers, scales, turn))


def smaller(exact: Draft, histories: ModelHistories) -> Draft:
    """The same with rounded factors where it lists what the exact one does, else the exact one, with a warning.

    Nothing but the factors is given up or changed for that: not the ranker, not the settings. Whatever is wrong with
    the rounded model, the exact one ships. Its manifest says which table it has, and what was found.

    Args:
        exact: A draft that a graph answers as.
        histories: To try graphs and lists on.
    """
    try:
        small, _ = graph_of(replace(exact, native=rounded(exact.native)), histories)
        same = 0.0 if small is None else overlap(exact.bundle, small, histories)
    except (BundleError, np.linalg.LinAlgError) as error:
        return _kept(exact, {}, f"the rounded model cannot be computed ({str(error).rstrip('.')})")
    if small is None:
        return _kept(exact, {}, "no graph answers as the rounded model does")
    figures = {"int8_overlap": same}
    if same >= SAME:
        return replace(exact, bundle=_told(small, ItemTable.INT8, figures))
    best = f"the best {_places(small)} would be the same ones to {same:.1%}"
    return _kept(exact, figures, f"{best}, and {SAME:.0%} is what is asked for")


def overlap(one: Bundle, other: Bundle, histories: ModelHistories) -> float:
    """The mean share of the one's best 20 of all items that are among the other's, too; of few items the best half.

    Of those with a history: without one, factors say nothing, and both list the same.
    """
    histories = histories.rows(np.flatnonzero(histories.known))
    scorers, everything = (Scorer(one), Scorer(other)), np.arange(len(one.vocabulary))
    k = _places(one)
    shared = 0
    for start in range(0, len(histories), _TOGETHER):
        some = histories.rows(slice(start, start + _TOGETHER))
        first, second = (top_lists(scorer.score(some, everything), k) for scorer in scorers)
        shared += int((first[:, :, None] == second[:, None, :]).any(axis=2).sum())
    return shared / max(k * len(histories), 1)


def _places(bundle: Bundle) -> int:
    """How many of the best are compared: a list of all items would always be the same."""
    return max(min(TOP, len(bundle.vocabulary) // 2), 1)


def _kept(exact: Draft, figures: dict[str, float], why: str) -> Draft:
    """The exact one, with a warning."""
    bundle = _told(exact.bundle, ItemTable.FLOAT32, figures)
    return replace(exact, bundle=bundle, warnings=(*exact.warnings, f"Factors are not rounded to int8: {why}"))


def _told(bundle: Bundle, table: ItemTable, figures: dict[str, float]) -> Bundle:
    manifest = bundle.manifest
    configuration = manifest.configuration | {"item_table": table.value}
    told = msgspec.structs.replace(manifest, configuration=configuration, parity=manifest.parity | figures)
    return replace(bundle, manifest=told)
