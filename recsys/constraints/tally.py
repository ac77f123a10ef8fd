"""Counting down one list: what a list constraint has left for each of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.offer_paths import OfferKeys


@dataclass(frozen=True, slots=True)
class Limit:
    """One list constraint, the same for every list.

    Args:
        rule: The constraint's name.
        most: The most that may be used of a key.
        keys: The keys of the offers.
    """

    rule: str
    most: int
    keys: OfferKeys

    def matters_from(self, count: int, smallest: int) -> int:
        """How much of some key has to be used already, so that it could refuse an offer of a list of `count`.

        Not before a list of nothing but the widest key would leave no room; nor while another constraint on the same
        keys, of which `smallest` allows the least, is full before this one.
        """
        return max(self.most + 1 - min(count, self.keys.widest), self.most - smallest)


@dataclass(slots=True)
class Tally:
    """One constraint and one list.

    Args:
        limit: The constraint.
        used: What is used of each key, before the list and with its offers so far.
    """

    limit: Limit
    used: dict[int, int]

    def used_up(self) -> set[int]:
        """The keys of which no more may be used."""
        return {key for key, used in self.used.items() if used >= self.limit.most}

    def full(self, offer: int) -> bool:
        """Whether the offer has no room in this list: one of its keys is used up."""
        return any(self.used.get(key, 0) >= self.limit.most for key in self.limit.keys.of_offer[offer])

    def take(self, offer: int) -> NDArray[np.int64]:
        """Count an offer that is listed. Returns the offers that have no room any more because of it."""
        gone = [np.empty(0, np.int64)]
        for key in self.limit.keys.of_offer[offer]:
            self.used[key] = self.used.get(key, 0) + 1
            if self.used[key] == self.limit.most:
                gone.append(self.limit.keys.offers.row(key))
        return np.concatenate(gone)


def fill_list(candidates: Iterable[int], count: int, tallies: Sequence[Tally]) -> tuple[list[int], dict[int, str]]:
    """List the first `count` candidates that have room, best first; the tallies are used up.

    Returns:
        The offers; and those that were looked at and had no room, with the first constraint that said so.
    """
    listed: list[int] = []
    skipped: dict[int, str] = {}
    counts = [(tally.limit, tally.limit.keys.of_offer, tally.used, tally.used_up()) for tally in tallies]
    for offer in candidates:
        if len(listed) == count:
            break
        for limit, keys, _, used_up in counts:
            if not used_up.isdisjoint(keys[offer]):
                skipped[offer] = limit.rule
                break
        else:
            listed.append(offer)
            for limit, keys, used, used_up in counts:
                for key in keys[offer]:
                    used[key] = now = used.get(key, 0) + 1
                    if now >= limit.most:
                        used_up.add(key)
    return listed, skipped
