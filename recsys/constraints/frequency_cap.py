"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from recsys.constraints.tally import Limit
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import Exposure, Reservation, State
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Cap, CapScope

Shown = Exposure | Reservation


@dataclass(frozen=True, slots=True)
class CapLimit:
    """One cap.

    Args:
        limit: What it allows.
        per: What is counted together.
        hours: The length of its window.
        positions: The position of each offer id.
    """

    limit: Limit
    per: CapScope
    hours: int
    positions: Mapping[str, int]

    def used(self, shown: Sequence[Shown], request: DecisionRequest) -> dict[int, int]:
        """What was shown, by the cap's keys, as far as an offer of the book could use the same."""
        if self.per is CapScope.OFFER:
            return _counted(self.positions.get(one.offer_id) for one in shown)
        if self.per is CapScope.CATEGORY:
            codes = self.limit.keys.of_category
            return _counted(key for one in shown for key in {*map(codes, one.categories)})
        return {0: sum(self.per is CapScope.OVERALL or one.channel == request.channel for one in shown)}


def _counted(keys: Iterable[int | None]) -> dict[int, int]:
    """How often each key is there; None is none."""
    used: dict[int, int] = {}
    for key in keys:
        if key is not None:
            used[key] = used.get(key, 0) + 1
    return used


def frequency_cap(cap: Cap, keys: OfferKeys, positions: Mapping[str, int]) -> CapLimit:
    """A cap of the policy over the offers' keys.

    An exposure counts if now - `hours` < its time <= now: the window is half-open, rolls, and knows no midnight. A
    reservation counts until it expires. Both count with the categories that they carry, as they were when the offer was
    shown. Per category, an offer has the first `depth` parts of each of its items' paths as keys, and none if no item
    has a category.
    """
    return CapLimit(Limit("frequency_cap", cap.max, keys), cap.per, cap.hours, positions)


def strictest(caps: Iterable[Cap]) -> Iterator[Cap]:
    """Those that no other one outdoes: of caps that count the same, one that allows more must look back further."""
    longest: dict[tuple[CapScope, int], int] = {}
    for cap in sorted(caps, key=lambda one: (one.max, -one.hours)):
        counts = (cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0)
        if cap.hours > longest.get(counts, 0):
            longest[counts] = cap.hours
            yield cap


@dataclass(frozen=True, slots=True)
class Past:
    """What was shown until now, newest first, and what is reserved.

    Args:
        exposures: What was shown.
        ages: How long ago, ascending.
        reserved: Reservations that have not expired.
    """

    exposures: Sequence[Exposure]
    ages: Sequence[dt.timedelta]
    reserved: Sequence[Reservation]

    @classmethod
    def of(cls, state: State, utc: dt.datetime) -> Past:
        """That of a state, at a time in UTC."""
        happened = sorted((utc - one.at, n) for n, one in enumerate(state.exposures) if one.at <= utc)
        held = [one for one in state.reservations if one.expires > utc]
        return cls([state.exposures[n] for _, n in happened], [age for age, _ in happened], held)

    def number(self, hours: int) -> int:
        """How much counts in a window of so many hours."""
        return bisect_left(self.ages, dt.timedelta(hours=hours)) + len(self.reserved)

    def within(self, hours: int) -> Sequence[Shown]:
        """What that is."""
        return [*self.exposures[: self.number(hours) - len(self.reserved)], *self.reserved]
