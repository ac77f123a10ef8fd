"""What a guard is given: everything it may look at, as values. No clock, no store, no score."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.arms import Arm, arm_of
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import State
from recsys.guards.purchase_runs import PurchaseRuns, Purchases, purchases_of, runs_of
from recsys.history import Histories, day_number, microseconds
from recsys.offer_book import OfferBook

_CELLS: Final = 1 << 17


@dataclass(frozen=True)
class Situation:
    """B subjects before O offers at one instant.

    Args:
        requests: B requests, one a subject.
        states: B states.
        histories: B histories, with the items of the book's index; what is dated after `at` has not happened yet.
        book: O offers.
        at: The decision's time, with its zone.
    """

    requests: Sequence[DecisionRequest]
    states: Sequence[State]
    histories: Histories
    book: OfferBook
    at: dt.datetime

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(B, O)."""
        return len(self.requests), len(self.book)

    @property
    def today(self) -> int:
        """The decision's day in UTC, in days since 1970."""
        return day_number(self.utc.date())

    @property
    def utc(self) -> dt.datetime:
        """The decision's time in UTC. Windows are counted from it: in another zone, a day may have 23 hours."""
        return self.at.astimezone(dt.UTC)

    @property
    def instant(self) -> int:
        """The decision's time in microseconds since 1970."""
        return microseconds(self.utc)

    @cached_property
    def arms(self) -> list[Arm]:
        """B arms."""
        policy = self.book.policy
        return [arm_of(r.subject, state, policy) for r, state in zip(self.requests, self.states, strict=True)]

    @cached_property
    def profiled(self) -> NDArray[np.bool_]:
        """Who agreed to profiling, as bool [B]."""
        return np.array([state.may_profile for state in self.states], np.bool_)

    @cached_property
    def ranked(self) -> NDArray[np.bool_]:
        """Whose list may be made by scores of their own, as bool [B]. Nobody else's history is scored at all.

        They agreed to profiling and to the channel, and are in the personal arm.
        """
        reached = [state.may_use(request.channel) for request, state in zip(self.requests, self.states, strict=True)]
        own = [arm is Arm.PERSONAL for arm in self.arms]
        return self.profiled & np.array(reached, np.bool_) & np.array(own, np.bool_)

    @cached_property
    def runs(self) -> PurchaseRuns:
        """The days on which each subject bought something of each key of the policy's rules."""
        keys = self.book.keys
        return runs_of(self.counted, self.today, keys.of_item, keys.size)

    @cached_property
    def counted(self) -> Purchases:
        """Every purchase that a rule of the policy counts."""
        return self.purchases(self.book.keys.counted)

    def purchases(self, wanted: NDArray[np.bool_]) -> Purchases:
        """Every purchase of the `wanted` items [items] that has happened: of the histories and the states' counters."""
        return purchases_of(self.histories, self.states, self.book.index, wanted, self.today)

    def alone(self, row: int) -> Situation:
        """The same for one of the subjects."""
        return self.part(slice(row, row + 1))

    def part(self, rows: slice) -> Situation:
        """The same for some of the subjects."""
        if (rows.start, rows.stop) == (0, len(self.requests)):
            return self
        known = self.histories.slice(rows.start, rows.stop)
        return Situation(self.requests[rows], self.states[rows], known, self.book, self.at)

    def parts(self) -> list[slice]:
        """The subjects a few at a time: whatever is made for each cell [B, O] stays in the processor's cache."""
        size = max(_CELLS // max(len(self.book), 1), 1)
        return [slice(start, min(start + size, self.shape[0])) for start in range(0, self.shape[0], size)]

    @cached_property
    def nothing(self) -> NDArray[np.bool_]:
        """The verdict that withholds nothing, bool [B, O]: one byte that nobody can write to."""
        return np.ndarray(self.shape, np.bool_, b"\0", strides=(0, 0))

    def from_everyone(self, offers: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The verdict that withholds some offers [O] from everyone."""
        return offers[None] if self.shape[0] == 1 else np.broadcast_to(offers, self.shape)

    def everything(self, subjects: list[bool]) -> NDArray[np.bool_]:
        """The verdict that withholds everything from some subjects [B]."""
        if not any(subjects):
            return self.nothing
        return np.broadcast_to(np.array(subjects, np.bool_)[:, None], self.shape)

    def cells(self, subject: NDArray[np.int64], offer: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The verdict that withholds these pairs, bool [B, O]."""
        withheld = np.zeros(self.shape, np.bool_)
        withheld[subject, offer] = True
        return withheld


Guard = Callable[[Situation], NDArray[np.bool_]]
