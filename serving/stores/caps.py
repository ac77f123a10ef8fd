"""Frequency caps where they have to be exact: in the transaction that takes the place.

They count as `recsys.constraints.frequency_cap` does; a test holds the two against each other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from recsys.contracts.catalogue import path_parts
from recsys.policy.document import Cap, CapScope
from serving.stores.activity import ReservedOffer, Shown, ShownOffer


@dataclass(frozen=True, slots=True)
class Place:
    """An offer that is to be shown."""

    offer_id: str
    channel: str
    categories: tuple[str, ...]


def without_room(shown: Shown, wanted: Sequence[Place], caps: Sequence[Cap], now: dt.datetime) -> tuple[str, ...]:
    """The wanted offers that a cap has no room for, given those wanted before them.

    An exposure counts if now - `hours` < its time <= now, a reservation until it expires.
    """
    used = [_used(shown, cap, now) for cap in caps]
    refused = []
    for place in wanted:
        keys = [_keys(cap, place) for cap in caps]
        if any(counts[key] >= cap.max for cap, counts, own in zip(caps, used, keys, strict=True) for key in own):
            refused.append(place.offer_id)
            continue
        for counts, own in zip(used, keys, strict=True):
            counts.update(own)
    return tuple(refused)


def _used(shown: Shown, cap: Cap, now: dt.datetime) -> Counter[Hashable]:
    since = now - dt.timedelta(hours=cap.hours)
    counted: list[ShownOffer | ReservedOffer] = [one for one in shown.exposures if since < one.at <= now]
    counted += [one for one in shown.reservations if one.expires > now]
    return Counter(key for one in counted for key in _keys(cap, one))


def _keys(cap: Cap, one: Place | ShownOffer | ReservedOffer) -> Iterable[Hashable]:
    """What of a cap's counts a place takes one of; each once."""
    if cap.per is CapScope.OFFER:
        return (one.offer_id,)
    if cap.per is CapScope.CATEGORY:
        return {path_parts(text)[: cap.depth] for text in one.categories}
    return (one.channel,) if cap.per is CapScope.CHANNEL else ("",)
