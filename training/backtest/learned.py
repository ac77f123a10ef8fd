"""The learned baselines as contenders: item-kNN, EASE and the factorization alone, each with settings to choose from.

They are given what every contender is given: everyone's history before the window, and each one's own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import sparse

from recsys.evaluation.comparison import Scores
from recsys.evaluation.contenders import Contender
from recsys.evaluation.splits import Split
from recsys.history import Histories
from training.baselines import EASE, ItemKNN
from training.factorize import Factorization, Transform

MOST_ITEMS: Final = 12_000  # of a dense matrix of items by items: beyond it item-kNN and EASE are left out


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of an estimator, in the order in which they are told."""

    given: tuple[tuple[str, Hashable], ...]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """For the estimator."""
        return dict(self.given)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.given)


def learned(items: int, *, seed: int) -> tuple[Contender, ...]:
    """Those that a catalogue of so many model items has room for."""
    dense = (_ITEM_KNN, _EASE) if items <= MOST_ITEMS else ()
    return (*dense, _als(seed))


def counts_of(given: Histories, items: int) -> sparse.csr_matrix:
    """Purchase days, float32 CSR [B, items]."""
    ones = np.ones(len(given.item), np.float32)
    return sparse.csr_matrix((ones, (given.rows_of, given.item)), shape=(len(given), items))


def _learned(model: ItemKNN | EASE | Factorization, split: Split) -> Scores:
    model.fit(counts_of(split.everyone, split.items))
    return lambda rows: model.predict(counts_of(split.judged.slice(rows.start, rows.stop), split.items))


def _grid(**parameters: tuple[Hashable, ...]) -> tuple[Setting, ...]:
    """Every combination; the last parameter changes fastest."""
    rows: list[tuple[tuple[str, Hashable], ...]] = [()]
    for name, values in parameters.items():
        rows = [(*row, (name, value)) for row in rows for value in values]
    return tuple(Setting(row) for row in rows)


_ITEM_KNN: Final = Contender(
    "item-knn",
    "bought together",
    "What is bought by the same people as what this customer buys (item-kNN, cosine).",
    learned=True,
    settings=_grid(transform=(Transform.LOG1P, Transform.RAW), neighbours=(100, 20, 400), shrink=(10.0, 100.0)),
    scores=lambda split, setting: _learned(ItemKNN(**setting.parameters), split),
)
_EASE: Final = Contender(
    "ease",
    "bought together, linear",
    "What a linear model predicts from all that this customer buys (EASE).",
    learned=True,
    settings=_grid(
        transform=(Transform.LOG1P, Transform.RAW), regularization=(500.0, 100.0, 200.0, 1000.0, 2500.0, 5000.0)
    ),
    scores=lambda split, setting: _learned(EASE(**setting.parameters), split),
)


def _als(seed: int) -> Contender:
    return Contender(
        "als",
        "similar customers",
        "What customers with a similar history buy (matrix factorization by ALS, tuned).",
        learned=True,
        settings=_grid(transform=(Transform.LOG1P, Transform.RAW), regularization=(0.6, 0.5, 0.85), alpha=(1.0, 0.4)),
        scores=lambda split, setting: _learned(Factorization(**setting.parameters, random_state=seed), split),
    )
