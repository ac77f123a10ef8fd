"""Eligibility: the offer is valid now, for this channel and placement, in stock, and not excluded by the caller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def eligibility(situation: Situation) -> NDArray[np.bool_]:
    """Withhold what cannot be used.

    Validity is half-open: an offer may go out from `valid_from` on and no longer at `valid_until`. An offer that names
    placements is withheld from a request that names none: nobody said that it may stand there.
    """
    book = situation.book
    valid = (book.valid_from <= situation.instant) & (situation.instant < book.valid_until) & book.in_stock
    positions = {offer_id: number for number, offer_id in enumerate(book.ids)}
    withheld = np.empty(situation.shape, np.bool_)
    masks: dict[tuple[str, str | None], NDArray[np.bool_]] = {}
    for row, request in enumerate(situation.requests):
        place = (request.channel, request.placement)
        if place not in masks:
            masks[place] = ~(valid & _admits(book.channels, place[0]) & _admits(book.placements, place[1]))
        withheld[row] = masks[place]
        withheld[row, [positions[offer] for offer in request.exclude if offer in positions]] = True
    return withheld


def _admits(allowed: tuple[frozenset[str] | None, ...], name: str | None) -> NDArray[np.bool_]:
    return np.fromiter((names is None or name in names for names in allowed), np.bool_, len(allowed))
