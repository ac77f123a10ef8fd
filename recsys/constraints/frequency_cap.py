"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
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
    has a category. Source: Buchbinder et al., Frequency Capping in Online Advertising (WADS 2011); that windows
    roll is ours.
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


def shown_within(state: State, utc: dt.datetime, hours: int) -> Sequence[Shown]:
    """What was shown within so many hours before a time in UTC, and what is reserved."""
    since = utc - dt.timedelta(hours=hours)
    exposures: list[Shown] = [one for one in state.exposures if since < one.at <= utc]
    return exposures + [one for one in state.reservations if one.expires > utc]
