"""All list constraints of a policy, ready for one list after another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recsys.constraints.diversity import diversity
from recsys.constraints.frequency_cap import frequency_caps
from recsys.constraints.tally import Tally
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import EMPTY_STATE, State
from recsys.offer_book import OfferBook


@dataclass(frozen=True, slots=True)
class ListRules:
    """The constraints of one offer book.

    Args:
        book: The offers and their policy.
        unused: For lists of a length, the tallies of somebody who was shown nothing yet; those that could matter.
    """

    book: OfferBook
    unused: dict[int, tuple[Tally, ...]]

    @classmethod
    def of(cls, book: OfferBook) -> ListRules:
        """The constraints of `book`."""
        return cls(book, {})

    def tallies(self, request: DecisionRequest, state: State, utc: dt.datetime) -> list[Tally]:
        """The constraints that this list could come up against (time in UTC), in the order in which they are named."""
        if state.exposures or state.reservations:
            return _mattering(self._made(request, state, utc), request.count)
        if request.count not in self.unused:
            self.unused[request.count] = tuple(_mattering(self._made(request, EMPTY_STATE, utc), request.count))
        return [replace(tally, used={}) for tally in self.unused[request.count]]

    def _made(self, request: DecisionRequest, state: State, utc: dt.datetime) -> list[Tally]:
        policy = self.book.policy
        caps = frequency_caps(self.book, request, state, utc)
        return [*caps, *(diversity(rule, self.book) for rule in policy.diversity)]


def _mattering(tallies: Sequence[Tally], count: int) -> list[Tally]:
    return [tally for tally in tallies if tally.matters(count, tallies)]
