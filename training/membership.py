"""Membership inference on the factors: can someone who holds a person's history tell whether it was learned from?

The attack leaves one purchase out, folds the rest in, and looks at the rank of what was left out: it is higher for
those who were learned from, as far as the factors have learned them by heart. Factors are learned from half of the
subjects, drawn at random, and once more from the other half; the AUC compares the two halves' mean log ranks. Its mean
over the two is told, in which people who are easily guessed cancel out. 0.5 is a coin.

Of few people, the number of buyers of each item tells members by itself: whoever is counted makes what they bought more
popular. No factors that rank popular items higher tell less, so what they tell beyond that is told apart
(docs/adr/0033-popularity-tells-of-members.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from training.bars import BAR
from training.factorize import Factorization, Transform
from training.features.fold_in import FoldIn

_ATTACKED: Final = 1_000  # of each half
_LEFT_OUT: Final = 10  # purchases of a subject
_ITEMS: Final = 5_000  # that ranks are taken among


@dataclass(frozen=True, slots=True)
class Attack:
    """Areas under the curve, means over both halves.

    Args:
        factors: Of the attack.
        popularity: Of ranks by the number of buyers alone, which every bundle's statistics hold.
        beyond: Of what ranks by the factors say that ranks by the number of buyers do not (least squares). Below 0.5
            where the factors tell less than it. It may well be above `factors`: how popular somebody's purchases are
            says little of who was learned from and moves all ranks, and who takes that out sees better. It takes the
            item statistics and many histories for that, and no label.
    """

    factors: float
    popularity: float
    beyond: float

    @property
    def held(self) -> float:
        """The figure that is held to the bar: of the factors; of what they add where popularity alone is above it."""
        return self.beyond if min(self.factors, self.popularity) > BAR else self.factors


def attack(factorization: Factorization, counts: sparse.csr_matrix, *, seed: int) -> Attack:
    """Try to tell who was learned from.

    Args:
        factorization: Its settings.
        counts: What it would be fitted on, CSR [subjects, items].
        seed: Draws the halves.
    """
    rng = np.random.default_rng(seed)
    halves = np.array_split(rng.permutation(counts.shape[0]), 2)
    some = np.sort(rng.permutation(counts.shape[1])[:_ITEMS])
    both = [_on_half(factorization, counts, pair, some) for pair in (halves, halves[::-1])]
    return Attack(*(float(np.mean(figures)) for figures in zip(*both, strict=True)))


def _on_half(
    factorization: Factorization,
    counts: sparse.csr_matrix,
    halves: list[NDArray[np.int64]],
    some: NDArray[np.int64],
) -> tuple[float, float, float]:
    """How well those of the first half, who are learned from, are told from those of the second."""
    learned = counts[np.sort(halves[0])]
    fold = FoldIn.of(factorization.fit(learned), learned)
    buyers = learned.getnnz(axis=0)
    attacked = [half[:_ATTACKED] for half in halves]
    rows = [counts[row] for row in np.concatenate(attacked)]
    among = fold.item_factors[some].astype(np.float64).T  # once for all: it is most of the work
    member = np.arange(len(rows)) < len(attacked[0])
    factors = np.array([_suspicion(fold, row, some, among) for row in rows])
    known = np.isfinite(factors)
    factors, member = factors[known], member[known]
    popularity = np.array([_of_popularity(buyers, row, some) for row, kept in zip(rows, known, strict=True) if kept])
    return _auc(factors, member), _auc(popularity, member), _auc(_apart(factors, popularity), member)


def _auc(suspicion: NDArray[np.float64], member: NDArray[np.bool_]) -> float:
    members = int(member.sum())
    others = len(member) - members
    if not members or not others:
        return 0.5
    return float((rankdata(suspicion)[member].sum() - members * (members + 1) / 2) / (members * others))


def _apart(values: NDArray[np.float64], explained_by: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a straight line through `explained_by` leaves of the values."""
    centred = explained_by - explained_by.mean() if len(explained_by) else explained_by
    spread = float(centred @ centred)
    return values - centred * (centred @ values / spread) if spread > 0 else values


def _left_out(items: NDArray[np.integer]) -> NDArray[np.int64]:
    """Which purchases are left out, one after the other."""
    return np.linspace(0, len(items) - 1, min(_LEFT_OUT, len(items))).astype(np.int64)


def _places(some: NDArray[np.int64], items: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where in `some`, ascending, those of the items stand that are in it."""
    places = np.minimum(np.searchsorted(some, items), len(some) - 1)
    return np.asarray(places[some[places] == items], np.int64)


def _of_popularity(buyers: NDArray[np.integer], row: sparse.csr_matrix, some: NDArray[np.int64]) -> float:
    """Minus the mean log rank of the same purchases by the number of buyers alone."""
    left, others = buyers[row.indices[_left_out(row.indices)]], np.delete(buyers[some], _places(some, row.indices))
    return -float(np.log1p((others > left[:, None]).sum(axis=1)).mean())


def _suspicion(fold: FoldIn, row: sparse.csr_matrix, some: NDArray[np.int64], among: NDArray[np.float64]) -> float:
    """Minus the mean log rank of what is left out, one purchase after the other; not a number with fewer than two.

    Args:
        fold: The factors.
        row: The purchases of one subject, CSR [1, M].
        some: Model items that ranks are taken among, ascending.
        among: float64 [F, some], their factors.
    """
    items, counts = row.indices, row.data
    if len(items) < 2:  # noqa: PLR2004 - one to leave out, one to fold in
        return float("nan")
    vectors = fold.item_factors[items].astype(np.float64)
    beyond_one = fold.alpha * Transform(fold.transform)(counts.astype(np.float64))
    inverse = np.linalg.inv(fold.gram + (vectors.T * beyond_one) @ vectors)
    person = inverse @ (vectors.T @ (1 + beyond_one))
    picked = _left_out(items)
    left = vectors[picked]
    turned = left @ inverse
    own = (left * turned).sum(axis=1)
    # Sherman and Morrison: without item i the system loses (c - 1)·vvᵀ, the right-hand side c·v.
    moved = (beyond_one[picked] * (left @ person) - (1 + beyond_one[picked])) / (1 - beyond_one[picked] * own)
    people = person + moved[:, None] * turned
    scores = people @ among
    scores[:, _places(some, items)] = -np.inf
    mine = (people * left).sum(axis=1)
    return -float(np.log1p((scores > mine[:, None]).sum(axis=1)).mean())
