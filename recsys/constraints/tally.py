"""Counting down one list: what a list constraint has left for each of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.offer_paths import OfferKeys


@dataclass(slots=True)
class Tally:
    """One constraint and one list.

    Args:
        rule: The constraint's name.
        limit: The most that may be used of a key.
        keys: The keys of the offers.
        used: What is used of each key, before the list and with its offers so far.
    """

    rule: str
    limit: int
    keys: OfferKeys
    used: dict[int, int]

    def full(self, offer: int) -> bool:
        """Whether the offer has no room in this list: one of its keys is used up."""
        return any(self.used.get(key, 0) >= self.limit for key in self.keys.of_offer[offer])

    def take(self, offer: int) -> NDArray[np.int64]:
        """Count an offer that is listed. Returns the offers that have no room any more because of it."""
        gone = [np.empty(0, np.int64)]
        for key in self.keys.of_offer[offer]:
            self.used[key] = self.used.get(key, 0) + 1
            if self.used[key] == self.limit:
                gone.append(self.keys.offers.row(key))
        return np.concatenate(gone)

    def matters(self, count: int, others: Iterable[Tally]) -> bool:
        """Whether it could refuse an offer of a list of `count` that none of the others refuses.

        Never, if even a list of nothing but the fullest key leaves room; or if another constraint on the same keys is
        full before this one.
        """
        most = max(self.used.values(), default=0)
        if most + min(count, self.keys.widest) <= self.limit:
            return False
        return not any(other.keys is self.keys and most + other.limit < self.limit for other in others)


def fill_list(candidates: Iterable[int], count: int, tallies: Sequence[Tally]) -> tuple[list[int], dict[int, str]]:
    """List the first `count` candidates that have room, best first.

    Returns:
        The offers; and those that were looked at and had no room, with the first constraint that said so.
    """
    listed: list[int] = []
    skipped: dict[int, str] = {}
    counted = [(tally.rule, tally.limit, tally.keys.of_offer, tally.used) for tally in tallies]
    for offer in candidates:
        if len(listed) == count:
            break
        for rule, limit, keys, used in counted:  # written out: this is the innermost loop of every decision
            if any([used.get(key, 0) >= limit for key in keys[offer]]):  # noqa: C419 - a list is faster for a few
                skipped[offer] = rule
                break
        else:
            listed.append(offer)
            for _, _, keys, used in counted:
                for key in keys[offer]:
                    used[key] = used.get(key, 0) + 1
    return listed, skipped
