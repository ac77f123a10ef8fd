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
    withheld = np.empty(situation.shape, np.bool_)
    masks: dict[tuple[str, str | None], NDArray[np.bool_]] = {}
    for row, request in enumerate(situation.requests):
        place = (request.channel, request.placement)
        if place not in masks:
            masks[place] = ~(valid & book.channels.admit(request.channel) & book.placements.admit(request.placement))
        withheld[row] = masks[place]
        withheld[row, [book.positions[offer] for offer in request.exclude if offer in book.positions]] = True
    return withheld
