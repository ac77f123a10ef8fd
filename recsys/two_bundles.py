"""Two bundles over one offer book: the people of the arm `challenger` are decided for by the second one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arms import Arm, arm_of
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.history import Histories
from recsys.offer_book import OfferBook
from recsys.recommender import Recommender
from recsys.why_not import WhyNot


@dataclass(frozen=True, slots=True)
class TwoBundles:
    """Decides as a `Recommender` does; each decision names the bundle that made it.

    Args:
        stands: For everyone else.
        challenger: Over the same offer book.
    """

    stands: Recommender
    challenger: Recommender

    @property
    def book(self) -> OfferBook:
        """The offers."""
        return self.stands.book

    def decide(
        self,
        requests: Sequence[DecisionRequest],
        histories: Histories,
        states: Sequence[State],
        *,
        at: dt.datetime,
        rng: np.random.Generator,
    ) -> list[Decision]:
        """Decide for B subjects at once; see `Recommender.decide`."""
        asked = [self._asked(r.subject, state) for r, state in zip(requests, states, strict=True)]
        made: dict[int, Decision] = {}
        for recommender in (self.stands, self.challenger):
            rows = [row for row, one in enumerate(asked) if one is recommender]
            if rows:
                known = histories.take(np.array(rows, np.int64))
                own = [requests[row] for row in rows], known, [states[row] for row in rows]
                made |= zip(rows, recommender.decide(*own, at=at, rng=rng), strict=True)
        return [made[row] for row in range(len(requests))]

    def why_not(
        self, request: DecisionRequest, history: Histories, state: State, offer_id: str, *, at: dt.datetime
    ) -> WhyNot:
        """Every rule that withholds an offer from one subject; see `Recommender.why_not`."""
        return self._asked(request.subject, state).why_not(request, history, state, offer_id, at=at)

    def _asked(self, subject: str, state: State) -> Recommender:
        challenged = arm_of(subject, state, self.stands.book.policy) is Arm.CHALLENGER
        return self.challenger if challenged else self.stands
