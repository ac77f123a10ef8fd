"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from recsys.constraints.tally import Tally
from recsys.contracts.catalogue import path_parts
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import Exposure, Reservation, State
from recsys.offer_book import OfferBook
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Cap, CapScope


def frequency_caps(book: OfferBook, request: DecisionRequest, state: State, at: dt.datetime) -> list[Tally]:
    """One tally for each cap of the policy.

    An exposure counts if now - `hours` < its time <= now: the window is half-open, rolls, and knows no midnight. A
    reservation counts until it expires. Both count with the categories that they carry, as they were when the offer was
    shown. Per category, an offer has the first `depth` parts of each of its items' paths as keys, and none if no item
    has a category.
    """
    return [_tally(cap, book, request, state, at) for cap in book.policy.cap]


def _tally(cap: Cap, book: OfferBook, request: DecisionRequest, state: State, at: dt.datetime) -> Tally:
    keys = book.limits[cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0]
    used: dict[int, int] = {}
    if state.exposures or state.reservations:
        since = at - dt.timedelta(hours=cap.hours)
        shown: list[Exposure | Reservation] = [exposure for exposure in state.exposures if since < exposure.at <= at]
        shown += [reservation for reservation in state.reservations if reservation.expires > at]
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
