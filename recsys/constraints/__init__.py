"""List constraints: what may not stand in one list together, or not yet again.

They are applied down the ranked list of what the guards allow, and the list is filled from the next best.
"""

from __future__ import annotations

import datetime as dt

from recsys.constraints.diversity import diversity
from recsys.constraints.frequency_cap import frequency_caps
from recsys.constraints.tally import Tally, fill_list
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import State
from recsys.offer_book import OfferBook


def tallies_for(book: OfferBook, request: DecisionRequest, state: State, at: dt.datetime) -> list[Tally]:
    """The constraints that this list could come up against, in the order in which they are named."""
    made = [*frequency_caps(book, request, state, at), *diversity(book)]
    return [tally for tally in made if tally.binding(request.count)]


__all__ = ["Tally", "fill_list", "tallies_for"]
