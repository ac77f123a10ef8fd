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
from recsys.evaluation.lists import top_lists
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
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
        BundleError: Factors are not numbers.
    """
    axes, lengths, _ = np.linalg.svd(Coordinates.of(fold).turn)
    turn = (axes * lengths) @ axes.T
    factors = fold.item_factors @ turn
    scales = (np.abs(factors).max(axis=1) / _LARGEST).astype(np.float32)
    worth = scales.astype(np.float64)[:, None]
    exact = np.divide(factors, worth, out=np.zeros_like(factors), where=worth > 0)
    numbers = np.rint(exact).clip(-_LARGEST, _LARGEST).astype(np.int8)
    stood_for = np.linalg.solve(turn.T, (numbers * worth).T).T.astype(np.float32)
    return replace(fold, item_factors=stood_for, whole=WholeNumbers(numbers, scales, turn))


def smaller(exact: Bundle, small: Bundle, histories: ModelHistories) -> tuple[Bundle, tuple[str, ...]]:
    """The small one where it lists what the exact one does, else the exact one, with a warning.

    Its manifest says which table it has, and what was found.
    """
    same = overlap(exact, small, histories)
    kept, table = (small, ItemTable.INT8) if same >= SAME else (exact, ItemTable.FLOAT32)
    manifest = msgspec.structs.replace(
        kept.manifest,
        configuration=kept.manifest.configuration | {"item_table": table.value},
        parity=kept.manifest.parity | {"int8_overlap": same},
    )
    bundle = replace(kept, manifest=manifest)
    if kept is small:
        return bundle, ()
    warning = (
        f"Factors are not rounded to int8: the best {TOP} would be the same ones to {same:.1%}, and {SAME:.0%} is "
        "what is asked for"
    )
    return bundle, (warning,)


def overlap(one: Bundle, other: Bundle, histories: ModelHistories) -> float:
    """The mean share of the one's best 20 of all items that are among the other's, too."""
    scorers, everything = (Scorer(one), Scorer(other)), np.arange(len(one.vocabulary))
    k = min(TOP, len(everything))
    shared = 0
    for start in range(0, len(histories), _TOGETHER):
        some = histories.rows(slice(start, start + _TOGETHER))
        first, second = (top_lists(scorer.score(some, everything), k) for scorer in scorers)
        shared += int((first[:, :, None] == second[:, None, :]).any(axis=2).sum())
    return shared / (k * len(histories))
