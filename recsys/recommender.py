"""The recommender: one bundle, one offer book; the same path in serving and in offline evaluation."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.candidate_map import CandidateMap
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.decide import ModelScores, Scores, Taken, Versions, decide, offer_scores
from recsys.explain import Names
from recsys.fallback import popularity
from recsys.guards import Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.history import Histories
from recsys.model_histories import ModelHistories
from recsys.model_items import catalogue_map
from recsys.offer_book import OfferBook
from recsys.pooling import coverage
from recsys.rank import judge
from recsys.scorer import Scorer
from recsys.why_not import WhyNot, why_not

_TOGETHER: Final = 2  # subjects whose scores are taken apart in one run: more share a run's costs, and ask for more


class Recommender:
    """Scores, guards and explains. Holds nothing about any person; what it is given about one, it forgets."""

    def __init__(self, scorer: Scorer, book: OfferBook) -> None:
        level = scorer.bundle.manifest.level
        self.scorer = scorer
        self.book = book
        self._codes = scorer.codes(book.index, catalogue_map(book.catalogue, level))
        self._map = CandidateMap.of(book, self._codes, scorer.parts(book.index, self._codes))
        self._names = Names.of(book, self._codes, scorer.vocabulary, level)
        self.popular = popularity(scorer)[self._map.candidates]
        self._versions = Versions(scorer.bundle.model_version, book.policy.policy_version)

    def refreshed(self, statistics: pl.DataFrame) -> Recommender:
        """The same bundle and offers, with other item statistics; this one stays as it is."""
        other = copy.copy(self)
        other.scorer = self.scorer.refreshed(statistics)
        other.popular = popularity(other.scorer)[self._map.candidates]
        return other

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
        return decide(situation, self._scores_that_matter(situation), self._versions, rng)

    def why_not(
        self, request: DecisionRequest, history: Histories, state: State, offer_id: str, *, at: dt.datetime
    ) -> WhyNot:
        """Every rule that withholds an offer from one subject, or where it stands.

        Raises:
            ContractError: There is no such offer.
        """
        situation = Situation([request], [state], history, self.book, at)
        return why_not(situation, self._scores_that_matter(situation), offer_id)

    def scores(self, situation: Situation) -> Scores:
        """The offers' scores before any guard: `recsys.decide.rank` makes of them the very lists that `decide` makes.

        Of everyone, whatever they agreed to: what if they had is a question of the policy lab.

        Args:
            situation: B subjects before this recommender's offers.
        """
        subjects, offers = situation.shape
        model = self._scores(situation, np.ones(subjects, np.bool_), np.ones(offers, np.bool_))
        return offer_scores(model, coverage(model.learned, model.candidates, situation.today))

    def _scores_that_matter(self, situation: Situation) -> ModelScores:
        """Score for those whose list may be their own, and only what the guards leave to at least one of them.

        Guards look at no score, so that they may be asked before; no verdict is taken from here.
        """
        left = np.zeros(len(self.book), np.bool_)
        for rows in situation.parts():
            left |= judge(situation.part(rows)).allowed[situation.ranked[rows]].any(axis=0)
        return self._scores(situation, situation.ranked, left)

    def _scores(self, situation: Situation, ranked: NDArray[np.bool_], offers: NDArray[np.bool_]) -> ModelScores:
        """Score some offers [O] for some subjects [B], by what of their histories may be learned from."""
        learned = without_trapped(situation)
        own = learned.where(ranked[learned.rows_of])
        folded = self.scorer.fold(own, self._codes, as_of=situation.today)
        rows, places = np.flatnonzero(folded.known), np.unique(self._map.of_offer.take(np.flatnonzero(offers))[0])
        items = np.full((len(folded), len(self._map.candidates)), -np.inf, np.float32)
        items[np.ix_(rows, places)] = self.scorer.score(folded.rows(rows), self._map.candidates[places])
        return ModelScores(
            candidates=self._map,
            items=items,
            popular=self.popular,
            known=folded.known,
            learned=own,
            names=self._names,
            addends=_Addends(self.scorer, folded),
        )


@dataclass(frozen=True, slots=True)
class _Addends:
    """Takes scores apart, for the few offers that stand in lists."""

    scorer: Scorer
    folded: ModelHistories

    def __call__(self, rows: NDArray[np.int64], asked: Sequence[NDArray[np.int64]]) -> list[Taken]:
        """A few subjects of about the same length in one run; each run takes apart what any of them asks for."""
        found: dict[int, Taken] = {}
        order = np.argsort(self.folded.lengths[rows], kind="stable")
        for start in range(0, len(order), _TOGETHER):
            part = order[start : start + _TOGETHER].tolist()
            together = np.unique(np.concatenate([asked[number] for number in part]))
            own = self.folded.rows(rows[part])
            addends = self.scorer.contributions(own, together)
            for place, number in enumerate(part):
                found[number] = own.items[place], addends[place, np.searchsorted(together, asked[number])]
        return [found[number] for number in range(len(rows))]
