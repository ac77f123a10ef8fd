"""What each guard says on its own, counted over everyone and every offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.policy_lab.lab import Lab
from recsys.guards import GUARDS
from recsys.offer_book import OfferBook

_NOT_A_RULE: Final = frozenset({"consent", "holdout", "eligibility"})  # withhold, but not because of what the offer is


@dataclass(frozen=True, slots=True)
class Counts:
    """Pairs of a subject and an offer, over G guards in their order.

    Args:
        alone: int64 [G], withheld by the guard, whatever the others say: what it would withhold on its own.
        first: int64 [G], by it and by none before it: what decisions report.
        last: int64 [G], by it and by no other: what would go out without it.
        both: int64 [G, G], by the one and the other.
        eligible: bool [S, O], consent, holdout and eligibility let through.
        withheld: float64 [S], the share of a subject's eligible offers that the other guards withhold; 0 without any.
    """

    alone: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    both: NDArray[np.int64]
    eligible: NDArray[np.bool_]
    withheld: NDArray[np.float64]


def count_verdicts(lab: Lab, book: OfferBook) -> Counts:
    """Ask every guard about everyone."""
    size = len(GUARDS)
    first, last = np.zeros(size, np.int64), np.zeros(size, np.int64)
    both = np.zeros((size, size))
    eligible, withheld = [], []
    rules = np.array([rule not in _NOT_A_RULE for rule in GUARDS], np.bool_)
    for situation in lab.situations(book):
        said = np.stack([np.broadcast_to(guard(situation), situation.shape) for guard in GUARDS.values()])
        times = said.sum(axis=0)
        first += np.bincount(said.argmax(axis=0)[times > 0], minlength=size)
        last += (said & (times == 1)).sum(axis=(1, 2))
        flat = said.reshape(size, -1).astype(np.float32)
        both += flat @ flat.T  # whole numbers below 2^24 in each batch: exact
        able = ~said[~rules].any(axis=0)
        stopped = (said[rules].any(axis=0) & able).sum(axis=1)
        eligible.append(able)
        withheld.append(stopped / np.maximum(able.sum(axis=1), 1))
    exact = both.astype(np.int64)
    return Counts(
        alone=np.diagonal(exact).copy(),
        first=first,
        last=last,
        both=exact,
        eligible=np.concatenate(eligible),
        withheld=np.concatenate(withheld),
    )
