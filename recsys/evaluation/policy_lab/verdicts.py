"""What each guard says on its own, counted over everyone and every offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.policy_lab.lab import Lab
from recsys.guards import GUARDS, Situation
from recsys.offer_book import OfferBook

_NOT_A_RULE: Final = ("consent", "holdout", "eligibility")  # withhold, but not because of what the offer is


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
    first, last, both = (np.zeros(shape, np.int64) for shape in (size, size, (size, size)))
    eligible, withheld = [], []
    for situation in lab.situations(book):
        verdicts = [(rule, guard(situation)) for rule, guard in GUARDS.items()]
        said = {rule: one for rule, one in verdicts if one is not situation.nothing}
        places = [list(GUARDS).index(rule) for rule in said]
        stack = np.stack([np.zeros(situation.shape, np.bool_), *said.values()])[1:]
        times = stack.sum(axis=0, dtype=np.uint8)
        first[places] += _first(stack)
        last[places] += (stack & (times == 1)).sum(axis=(1, 2))
        flat = stack.reshape(len(places), times.size).astype(np.float32)
        both[np.ix_(places, places)] += (flat @ flat.T).astype(np.int64)  # below 2^24 in a batch: exact
        able = _able(situation)
        eligible.append(able)
        stopped = np.logical_or.reduce([one for rule, one in said.items() if rule not in _NOT_A_RULE] or [~able])
        withheld.append((stopped & able).sum(axis=1) / np.maximum(able.sum(axis=1), 1))
    return Counts(
        alone=np.diagonal(both).copy(),
        first=first,
        last=last,
        both=both,
        eligible=np.concatenate(eligible),
        withheld=np.concatenate(withheld),
    )


def eligible_pairs(lab: Lab, book: OfferBook) -> NDArray[np.bool_]:
    """Bool [S, O]: what consent, holdout and eligibility let through; as in `Counts`."""
    return np.concatenate([_able(situation) for situation in lab.situations(book)])


def _first(stack: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 [G]: how many pairs each guard is the first to withhold."""
    left = np.ones(stack.shape[1:], np.bool_)
    counts = []
    for verdict in stack:
        counts.append(np.count_nonzero(left & verdict))
        left &= ~verdict
    return np.array(counts, np.int64)


def _able(situation: Situation) -> NDArray[np.bool_]:
    """Bool [B, O]: what the guards that are no rules about an offer let through."""
    said = [np.broadcast_to(GUARDS[rule](situation), situation.shape) for rule in _NOT_A_RULE]
    return np.asarray(~np.logical_or.reduce(said))
