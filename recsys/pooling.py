"""Pooling: from the scores of model items to the score of an offer, by one rule.

    score(offer) = max over its model items of the model's score + log(1 + coverage)
    coverage     = Σ over the history's rows of an item that the offer covers of 2^(-age / 84 days)

On real coupons the recency-weighted count of covered purchases is the strongest signal there is (docs/adr/0003); the
model ranks what the history does not cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation
from recsys.history import Histories
from recsys.offer_book import OfferBook
from recsys.ragged import Ragged, changes

HALF_LIFE_DAYS: Final = 84.0


@dataclass(frozen=True, slots=True)
class CandidateMap:
    """Which model items the offers consist of, so that the scorer scores these and no others.

    Args:
        candidates: int64 [C], model items in ascending order.
        of_offer: Offer to positions in `candidates`; empty where the model knows none of its items.
        covering: Item to the offers that cover it.
    """

    candidates: NDArray[np.int64]
    of_offer: Ragged
    covering: Ragged

    @classmethod
    def of(cls, book: OfferBook, codes: NDArray[np.int32]) -> CandidateMap:
        """Map a book's offers, given the model item of each of its items (-1: none).

        An item that must not be learned from gives an offer no score: the other items do.
        """
        codes = np.where(book.learned, codes, -1)
        return cls.from_items([book.items.row(offer) for offer in range(len(book))], codes, book.covering)

    @classmethod
    def from_items(cls, items: list[NDArray[np.int64]], codes: NDArray[np.int32], covering: Ragged) -> CandidateMap:
        """Map offers given as the items of each, with the model item of every item (-1: none)."""
        rows = [np.unique(codes[row]) for row in items]
        rows = [row[row >= 0] for row in rows]
        candidates = np.unique(np.concatenate([np.empty(0, np.int64), *rows])).astype(np.int64)
        of_offer = Ragged.of(np.searchsorted(candidates, row) for row in rows)
        return cls(candidates, of_offer, covering)

    def best(self, scores: NDArray[np.float32], rows: NDArray[np.int64], offers: NDArray[np.int64]) -> list[int]:
        """For N pairs of subject and offer, the model item that gives the offer its score; -1 where there is none.

        Args:
            scores: float32 [B, C], of the candidate model items; of those that equal each other, the first one gave it.
            rows: int64 [N], positions of subjects.
            offers: int64 [N].
        """
        position, pair = self.of_offer.take(offers)
        score = scores[rows[pair], position]
        order = np.lexsort((position, -score, pair))
        first = order[changes(pair[order])]
        found = np.full(len(offers), -1, np.int64)
        found[pair[first]] = self.candidates[position[first]]
        return found.tolist()


def coverage(situation: Situation, histories: Histories, candidates: CandidateMap) -> NDArray[np.float32]:
    """float32 [B, O]: the recency-weighted count of past purchase days that each offer covers.

    Args:
        situation: B subjects before O offers.
        histories: What of their histories counts for scores.
        candidates: Which offers cover which items.
    """
    return covered_by(histories, candidates.covering, situation.today, offers=situation.shape[1])


def covered_by(histories: Histories, covering: Ragged, today: int, *, offers: int) -> NDArray[np.float32]:
    """float32 [B, O]: the recency-weighted count of past purchase days that each offer covers.

    Args:
        histories: B subjects.
        covering: Item to the offers that cover it.
        today: The day (since 1970) that ages are measured from.
        offers: O.
    """
    offer, row = covering.take(histories.item)
    weight = np.exp2((histories.day[row] - today) / HALF_LIFE_DAYS)
    cells = histories.rows_of[row] * offers + offer
    counted = np.bincount(cells, weight, minlength=len(histories) * offers)
    return counted.reshape(-1, offers).astype(np.float32)


def pool(scores: NDArray[np.float32], covered: NDArray[np.float32], of_offer: Ragged) -> NDArray[np.float32]:
    """float32 [B, O]: the offers' scores; not finite where neither the model nor the history knows the offer.

    Args:
        scores: float32 [B, C], of the candidate model items.
        covered: float32 [B, O], from `coverage`.
        of_offer: Offer to positions in the candidates.
    """
    best = of_offer.max_of(scores)
    known = np.where(np.isneginf(best) & (covered > 0), np.float32(0), best)
    return np.asarray(known + np.log1p(covered), np.float32)
