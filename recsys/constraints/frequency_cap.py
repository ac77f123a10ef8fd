"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from recsys.constraints.tally import Tally
from recsys.contracts.catalogue import path_parts
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import Exposure, Reservation, State
from recsys.history import microseconds
from recsys.offer_book import OfferBook
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Cap, CapScope

_HOUR: Final = 3_600_000_000  # microseconds


def frequency_cap(cap: Cap, book: OfferBook, request: DecisionRequest, state: State, at: dt.datetime) -> Tally:
    """What is left of a cap.

    An exposure counts if now - `hours` < its time <= now: the window is half-open, rolls, and knows no midnight. A
    reservation counts until it expires. Both count with the categories that they carry, as they were when the offer was
    shown. Per category, an offer has the first `depth` parts of each of its items' paths as keys, and none if no item
    has a category.
    """
    keys = book.limits[cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0]
    used: dict[int, int] = {}
    if not state.exposures and not state.reservations:
        return Tally("frequency_cap", cap.max, keys, used)
    now = microseconds(at)
    since = now - cap.hours * _HOUR
    shown: list[Exposure | Reservation] = [one for one in state.exposures if since < microseconds(one.at) <= now]
    shown += [one for one in state.reservations if microseconds(one.expires) > now]
    for one in shown:
        for key in set(_keys(cap, keys, book, request, one)):
            used[key] = used.get(key, 0) + 1
    return Tally("frequency_cap", cap.max, keys, used)


def _keys(
    cap: Cap, keys: OfferKeys, book: OfferBook, request: DecisionRequest, shown: Exposure | Reservation
) -> Iterable[int]:
    """What an exposure uses up; nothing where no offer of the book could use the same."""
    if cap.per is CapScope.OVERALL:
        return (0,)
    if cap.per is CapScope.CHANNEL:
        return (0,) if shown.channel == request.channel else ()
    if cap.per is CapScope.OFFER:
        return (book.positions[shown.offer_id],) if shown.offer_id in book.positions else ()
    prefixes = (path_parts(category)[: cap.depth] for category in shown.categories)
    return (keys.codes[prefix] for prefix in prefixes if prefix in keys.codes)
