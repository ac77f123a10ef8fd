"""What a guard is given: everything it may look at, as values. No clock, no store, no score."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import State
from recsys.history import Histories, day_number
from recsys.offer_book import OfferBook, microseconds


@dataclass(frozen=True, slots=True)
class Situation:
    """B subjects before O offers at one instant.

    Args:
        requests: B requests, one a subject.
        states: B states.
        histories: B histories, with the items of the book's index.
        book: O offers.
        at: The decision's time, with its zone.
    """

    requests: Sequence[DecisionRequest]
    states: Sequence[State]
    histories: Histories
    book: OfferBook
    at: dt.datetime

    @property
    def shape(self) -> tuple[int, int]:
        """(B, O)."""
        return len(self.requests), len(self.book)

    @property
    def today(self) -> int:
        """The decision's day in UTC, in days since 1970."""
        return day_number(self.at.astimezone(dt.UTC).date())

    @property
    def instant(self) -> int:
        """The decision's time in microseconds since 1970."""
        return microseconds(self.at)


Guard = Callable[[Situation], NDArray[np.bool_]]
