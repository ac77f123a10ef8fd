"""The recommender: one bundle, one offer book; the same path in serving and in offline evaluation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.decide import ModelScores, Scores, Versions, decide, offer_scores
from recsys.explain import Names
from recsys.fallback import popularity
from recsys.guards import Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.history import Histories
from recsys.model_histories import ModelHistories
from recsys.model_items import catalogue_map
from recsys.offer_book import OfferBook
from recsys.pooling import CandidateMap, coverage
from recsys.scorer import Scorer
from recsys.why_not import WhyNot, why_not


class Recommender:
    """Scores, guards and explains. Holds nothing about any person; what it is given about one, it forgets."""

    def __init__(self, scorer: Scorer, book: OfferBook) -> None:
        level = scorer.bundle.manifest.level
        self.scorer = scorer
        self.book = book
        self._codes = scorer.codes(book.index, catalogue_map(book.catalogue, level))
        self._map = CandidateMap.of(book, self._codes)
        self._names = Names.of(book, self._codes, scorer.vocabulary, level)
        self._popular = popularity(scorer)[self._map.candidates]
        self._versions = Versions(scorer.bundle.model_version, book.policy.policy_version)

    def refreshed(self, statistics: pl.DataFrame) -> Recommender:
        """The same bundle and offers, with other item statistics; this one stays as it is."""
        return Recommender(self.scorer.refreshed(statistics), self.book)

    def decide(
        self,
        requests: Sequence[DecisionRequest],
        histories: Histories,
        states: Sequence[State],
        *,
        at: dt.datetime,
        rng: np.random.Generator,
    ) -> list[Decision]:
        """Decide for B subjects at once.

        Args:
            requests: B questions, one a subject.
            histories: B histories over the items of `book.index`; what is dated after `at` has not happened yet.
            states: B states.
            at: Now, as far as this decision is concerned.
            rng: Names the decisions, and seeds what the policy leaves to chance.
        """
        situation = Situation(requests, states, histories, self.book, at)
        return decide(situation, self._scores(situation), self._versions, rng)

    def why_not(
        self, request: DecisionRequest, history: Histories, state: State, offer_id: str, *, at: dt.datetime
    ) -> WhyNot:
        """Every rule that withholds an offer from one subject, or where it stands.

        Raises:
            ContractError: There is no such offer.
        """
        situation = Situation([request], [state], history, self.book, at)
        return why_not(situation, self._scores(situation), offer_id)

    def scores(self, situation: Situation) -> Scores:
        """The offers' scores before any guard: `recsys.decide.rank` makes of them the very lists that `decide` makes.

        Args:
            situation: B subjects before this recommender's offers.
        """
        model = self._scores(situation)
        return offer_scores(model, coverage(situation, model.learned, model.candidates))

    def _scores(self, situation: Situation) -> ModelScores:
        """Score what of the histories may be learned from."""
        learned = without_trapped(situation)
        folded = self.scorer.fold(learned, self._codes, as_of=situation.today)
        return ModelScores(
            candidates=self._map,
            items=self.scorer.score(folded, self._map.candidates),
            popular=self._popular,
            known=folded.known,
            learned=learned,
            names=self._names,
            addends=_Addends(self.scorer, folded),
        )


@dataclass(frozen=True, slots=True)
class _Addends:
    """Takes scores apart, for the few offers that stand in a list."""

    scorer: Scorer
    folded: ModelHistories

    def __call__(self, row: int, asked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        own = self.folded.rows(slice(row, row + 1))
        return own.items[0], self.scorer.contributions(own, asked)[0]
