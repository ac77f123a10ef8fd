"""Frequency caps where they have to be exact: in the transaction that takes the place.

They count as `recsys.constraints.frequency_cap` does, by the same ladders; a test holds the two against each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from recsys.constraints.frequency_cap import CapLadder
from recsys.contracts.catalogue import known_path_parts
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
    ladders = CapLadder.all_of(caps)
    rooms = [_rooms(shown, ladder, now) for ladder in ladders]
    refused = []
    for place in wanted:
        keys = [_keys(ladder, place) for ladder in ladders]
        left = [
            (room, key, room.get(key, ladder.most[0]))
            for ladder, room, own in zip(ladders, rooms, keys, strict=True)
            for key in own
        ]
        if any(number <= 0 for _, _, number in left):
            refused.append(place.offer_id)
            continue
        for room, key, number in left:
            room[key] = number - 1
    return tuple(refused)


def _rooms(shown: Shown, ladder: CapLadder, now: dt.datetime) -> dict[Hashable, int]:
    """How many more of each key that was shown or is reserved."""
    ages: dict[Hashable, list[dt.timedelta]] = {}
    past: list[tuple[dt.timedelta, ShownOffer | ReservedOffer]] = [
        (now - one.at, one) for one in shown.exposures if one.at <= now
    ]
    past += [(dt.timedelta(0), one) for one in shown.reservations if one.expires > now]
    for age, one in past:
        for key in _keys(ladder, one):
            ages.setdefault(key, []).append(age)
    return {key: ladder.room(each) for key, each in ages.items()}


def _keys(ladder: CapLadder, one: Place | ShownOffer | ReservedOffer) -> Iterable[Hashable]:
    """What of a ladder's counts a place takes one of; each once."""
    if ladder.per is CapScope.OFFER:
        return (one.offer_id,)
    if ladder.per is CapScope.CATEGORY:
        return {known_path_parts(text)[: ladder.depth] for text in one.categories}
    return (one.channel,) if ladder.per is CapScope.CHANNEL else ("",)
