"""Membership inference on the factors: can someone who holds a person's history tell whether it was learned from?

The attack leaves one purchase out, folds the rest in, and looks at the rank of what was left out: it is higher for
those who were learned from, as far as the factors have learned them by heart. Factors are learned from half of the
subjects, drawn at random, and once more from the other half; the AUC compares the two halves' mean log ranks. Its mean
over the two is told, in which people who are easily guessed cancel out. 0.5 is a coin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from training.factorize import Factorization, Transform
from training.features.fold_in import FoldIn

SUBJECTS: Final = 1_000  # from which the figure is held to the bar
BAR: Final = 0.53
_ATTACKED: Final = 1_000  # of each half
_LEFT_OUT: Final = 10  # purchases of a subject
_ITEMS: Final = 5_000  # that ranks are taken among


def attack_auc(factorization: Factorization, counts: sparse.csr_matrix, *, seed: int) -> float:
    """The area under the curve of the attack, mean over both halves.

    Args:
        factorization: Its settings.
        counts: What it would be fitted on, CSR [subjects, items].
        seed: Draws the halves.
    """
    rng = np.random.default_rng(seed)
    halves = np.array_split(rng.permutation(counts.shape[0]), 2)
    some = np.sort(rng.permutation(counts.shape[1])[:_ITEMS])
    return float(np.mean([_auc(factorization, counts, pair, some) for pair in (halves, halves[::-1])]))


def _auc(
    factorization: Factorization,
    counts: sparse.csr_matrix,
    halves: list[NDArray[np.int64]],
    some: NDArray[np.int64],
) -> float:
    """How well those of the first half, who are learned from, are told from those of the second."""
    learned = counts[np.sort(halves[0])]
    fold = FoldIn.of(factorization.fit(learned), learned)
    suspicion = [np.array([_suspicion(fold, counts[row], some) for row in half[:_ATTACKED]]) for half in halves]
    members, others = (values[np.isfinite(values)] for values in suspicion)
    if not len(members) or not len(others):
        return 0.5
    ranks = rankdata(np.concatenate([members, others]))[: len(members)].sum()
    return float((ranks - len(members) * (len(members) + 1) / 2) / (len(members) * len(others)))


def _suspicion(fold: FoldIn, row: sparse.csr_matrix, some: NDArray[np.int64]) -> float:
    """Minus the mean log rank of what is left out, one purchase after the other; not a number with fewer than two."""
    items, counts = row.indices, row.data
    if len(items) < 2:  # noqa: PLR2004 - one to leave out, one to fold in
        return float("nan")
    vectors = fold.item_factors[items].astype(np.float64)
    beyond_one = fold.alpha * Transform(fold.transform)(counts.astype(np.float64))
    inverse = np.linalg.inv(fold.gram + (vectors.T * beyond_one) @ vectors)
    person = inverse @ (vectors.T @ (1 + beyond_one))
    picked = np.linspace(0, len(items) - 1, min(_LEFT_OUT, len(items))).astype(np.int64)
    left = vectors[picked]
    turned = left @ inverse
    own = (left * turned).sum(axis=1)
    # Sherman and Morrison: without item i the system loses (c - 1)·vvᵀ, the right-hand side c·v.
    moved = (beyond_one[picked] * (left @ person) - (1 + beyond_one[picked])) / (1 - beyond_one[picked] * own)
    people = person + moved[:, None] * turned
    scores = people @ fold.item_factors[some].T
    scores[:, np.isin(some, items)] = -np.inf
    mine = (people * left).sum(axis=1)
    return -float(np.log1p((scores > mine[:, None]).sum(axis=1)).mean())
