"""Eligibility: the offer is valid now, for this channel and placement, in stock, and not excluded by the caller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def eligibility(situation: Situation) -> NDArray[np.bool_]:
    """Withhold what cannot be used.

    Validity is half-open: an offer may go out from `valid_from` on and no longer at `valid_until`. An offer that names
    placements is withheld from a request that names none: nobody said that it may stand there. An excluded offer that
    does not exist is ignored. Source: intervals that are half-open leave no gap and no overlap, Dijkstra, EWD 831.
    """
    places = [(request.channel, request.placement) for request in situation.requests]
    excluding = [row for row, request in enumerate(situation.requests) if request.exclude]
    masks = {place: _unusable(situation, *place) for place in dict.fromkeys(places)}
    if len(masks) == 1 and not excluding:
        return situation.from_everyone(masks[places[0]])
    withheld = np.array([masks[place] for place in places], np.bool_).reshape(situation.shape)
    positions = situation.book.positions
    for row in excluding:
        withheld[row, [positions[offer] for offer in situation.requests[row].exclude if offer in positions]] = True
    return withheld


def _unusable(situation: Situation, channel: str, placement: str | None) -> NDArray[np.bool_]:
    book, now = situation.book, situation.instant
    valid = (book.valid_from <= now) & (now < book.valid_until) & book.in_stock
    usable: NDArray[np.bool_] = valid & book.channels.admit(channel) & book.placements.admit(placement)
    return ~usable
