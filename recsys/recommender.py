"""The recommender: one bundle, one offer book; the same path in serving and in offline evaluation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.decision import Decision, DecisionRequest, Reason
from recsys.contracts.state import State
from recsys.contracts.statistics import popularity_column
from recsys.decide import Ranking, Scores, Versions, decide, rank
from recsys.explain import Names, personal_reasons, popular_reasons
from recsys.guards import Situation
from recsys.history import Histories, day_number
from recsys.model_items import catalogue_map
from recsys.offer_book import OfferBook
from recsys.pooling import CandidateMap, coverage, pool
from recsys.scorer import ModelHistories, Scorer

_POPULARITY: Final = popularity_column(30)


class Recommender:
    """Scores, guards and explains. Holds nothing about any person; what it is given about one, it forgets."""

    def __init__(self, scorer: Scorer, book: OfferBook) -> None:
        level = scorer.bundle.manifest.level
        self.scorer = scorer
        self.book = book
        self._codes = scorer.codes(book.index, catalogue_map(book.catalogue, level))
        self._map = CandidateMap.of(book, self._codes)
        self._names = Names.of(book, self._codes, scorer.vocabulary, level)
        self._popular = self._map.of_offer.max_of(_popularity(scorer)[self._map.candidates])
        self._versions = Versions(scorer.bundle.model_version, book.policy.policy_version)

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
            rng: Names the decisions.
        """
        histories = histories.up_to(day_number(at.astimezone(dt.UTC).date()))
        situation = Situation(requests, states, histories, self.book, at)
        folded = self.scorer.fold(histories, self._codes)
        covered = coverage(situation, self._map)
        item_scores = self.scorer.score(folded, self._map.candidates)
        scores = Scores(
            personal=pool(item_scores, covered, self._map.of_offer),
            popular=self._popular,
            known=folded.known,
        )
        rankings = rank(situation, scores)
        reasons = [
            self._reasons(ranking, folded, row, covered[row], item_scores[row]) for row, ranking in enumerate(rankings)
        ]
        return decide(situation, rankings, reasons, self._versions, rng)

    def _reasons(
        self,
        ranking: Ranking,
        folded: ModelHistories,
        row: int,
        covered: NDArray[np.float32],
        item_scores: NDArray[np.float32],
    ) -> list[tuple[Reason, ...]]:
        if not ranking.personal:
            return [popular_reasons(float(score)) for score in ranking.scores]
        own = ModelHistories(folded.items[row : row + 1], folded.counts[row : row + 1])
        best = [self._best_item(int(offer), item_scores) for offer in ranking.offers]
        asked = np.array(sorted({item for item in best if item is not None}), np.int64)
        addends = self.scorer.contributions(own, asked)[0] if len(asked) else np.zeros((0, own.items.shape[1]))
        nothing = np.zeros(own.items.shape[1], np.float32)
        return [
            personal_reasons(
                float(score),
                float(covered[offer]),
                own.items[0],
                nothing if item is None else addends[np.searchsorted(asked, item)],
                self._names,
            )
            for offer, score, item in zip(ranking.offers, ranking.scores, best, strict=True)
        ]

    def _best_item(self, offer: int, item_scores: NDArray[np.float32]) -> int | None:
        """The model item that gave the offer its score, None where the model knows none of its items."""
        positions = self._map.of_offer.row(offer)
        return int(self._map.candidates[positions[np.argmax(item_scores[positions])]]) if len(positions) else None


def _popularity(scorer: Scorer) -> NDArray[np.float32]:
    """float32 [model items]: the share of recent purchase days; -inf for an item with too few buyers."""
    statistics = scorer.bundle.statistics
    popularity = np.full(len(scorer.vocabulary), -np.inf, np.float32)
    codes = scorer.vocabulary.encode(statistics["item"])
    share = (statistics[_POPULARITY] / statistics[_POPULARITY].sum()).to_numpy()
    popularity[codes[codes >= 0]] = share[codes >= 0]
    return popularity
