"""Frequency cap: not more than so many exposures in a rolling window, this list included."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from recsys.constraints.tally import Tally
from recsys.contracts.catalogue import path_parts
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import Exposure, Reservation, State
from recsys.offer_book import OfferBook
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Cap, CapScope


def frequency_caps(book: OfferBook, request: DecisionRequest, state: State, utc: dt.datetime) -> list[Tally]:
    """What is left of each cap of the policy, at a time in UTC.

    An exposure counts if now - `hours` < its time <= now: the window is half-open, rolls, and knows no midnight. A
    reservation counts until it expires. Both count with the categories that they carry, as they were when the offer was
    shown. Per category, an offer has the first `depth` parts of each of its items' paths as keys, and none if no item
    has a category.
    """
    shown = {hours: _shown(state, utc, hours) for hours in {cap.hours for cap in book.policy.cap}}
    return [_tally(cap, book, request, shown[cap.hours]) for cap in book.policy.cap]


def _shown(state: State, utc: dt.datetime, hours: int) -> list[Exposure | Reservation]:
    since = utc - dt.timedelta(hours=hours)
    exposures: list[Exposure | Reservation] = [one for one in state.exposures if since < one.at <= utc]
    return exposures + [one for one in state.reservations if one.expires > utc]


def _tally(cap: Cap, book: OfferBook, request: DecisionRequest, shown: list[Exposure | Reservation]) -> Tally:
    """Count what was shown by the cap's keys, as far as an offer of the book could use the same."""
    keys = book.limits[cap.per, cap.depth if cap.per is CapScope.CATEGORY else 0]
    if cap.per is CapScope.CATEGORY:
        used = Counter(key for one in shown for key in _prefixes(cap.depth, keys, book, one))
    elif cap.per is CapScope.OFFER:
        used = Counter(book.positions[one.offer_id] for one in shown if one.offer_id in book.positions)
    else:
        mine = [one for one in shown if cap.per is CapScope.OVERALL or one.channel == request.channel]
        used = Counter({0: len(mine)} if mine else {})
    return Tally("frequency_cap", cap.max, keys, used)


def _prefixes(depth: int, keys: OfferKeys, book: OfferBook, shown: Exposure | Reservation) -> set[int]:
    parts = book.paths.parts
    prefixes = [(parts.get(text) or path_parts(text))[:depth] for text in shown.categories]
    return {keys.codes[prefix] for prefix in prefixes if prefix in keys.codes}
