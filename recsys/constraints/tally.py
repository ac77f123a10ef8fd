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
        used, limit = self.used, self.limit
        return any(used.get(key, 0) >= limit for key in self.keys.of_offer[offer])

    def take(self, offer: int) -> NDArray[np.int64]:
        """Count an offer that is listed. Returns the offers that have no room any more because of it."""
        gone = []
        for key in self.keys.of_offer[offer]:
            self.used[key] = self.used.get(key, 0) + 1
            if self.used[key] == self.limit:
                gone.append(self.keys.offers.row(key))
        return np.concatenate(gone) if gone else np.empty(0, np.int64)

    def binding(self, count: int) -> bool:
        """Whether a list of `count` could come up against it at all."""
        return self.limit < count or any(used + count > self.limit for used in self.used.values())


def fill_list(candidates: Iterable[int], count: int, tallies: Sequence[Tally]) -> tuple[list[int], dict[int, str]]:
    """List the first `count` candidates that have room, best first.

    Returns:
        The offers; and those that were looked at and had no room, with the first constraint that said so.
    """
    listed: list[int] = []
    skipped: dict[int, str] = {}
    for offer in candidates:
        if len(listed) == count:
            break
        refusing = next((tally.rule for tally in tallies if tally.full(offer)), None)
        if refusing is not None:
            skipped[offer] = refusing
            continue
        listed.append(offer)
        for tally in tallies:
            tally.take(offer)
    return listed, skipped
