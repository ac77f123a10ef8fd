"""The offers' model items: what the scorer has to score, and what an offer is of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.offer_book import OfferBook
from recsys.ragged import Ragged, spans

CELLS: Final = 1 << 20  # worked on at once in pooling, which bounds its memory


@dataclass(frozen=True, slots=True)
class CandidateMap:
    """Which model items the offers consist of, so that the scorer scores these and no others.

    P pairs of an offer and a model item of it, by offer. R offers cover items that have no model item.

    Args:
        candidates: int64 [C], model items in ascending order.
        of_offer: Offer to positions in `candidates`, one a pair; empty where the model knows none of its items.
        part: float32 [P], which part of the model item the offer is.
        place: int64 [items], the position in `candidates` of each item's model item; -1 for none.
        covering: Item with a model item to offers.
        mixed: int64 [R], offers.
        others: Item without a model item to positions in `mixed`.
    """

    candidates: NDArray[np.int64]
    of_offer: Ragged
    part: NDArray[np.float32]
    place: NDArray[np.int64]
    covering: Ragged
    mixed: NDArray[np.int64]
    others: Ragged

    @classmethod
    def of(cls, book: OfferBook, codes: NDArray[np.int32], parts: NDArray[np.float64]) -> CandidateMap:
        """Map a book's offers, given the model item of each of its items (-1: none).

        An item that must not be learned from gives an offer no score: the other items do.

        Args:
            book: O offers.
            codes: int32 [items].
            parts: float64 [items], which part of its model item each is.
        """
        return cls.from_items(book.items, np.where(book.learned, codes, -1), parts)

    @classmethod
    def from_items(cls, items: Ragged, codes: NDArray[np.int32], parts: NDArray[np.float64]) -> CandidateMap:
        """Map offers given as the items of each, and the rest as in `of`."""
        known = codes[items.values] >= 0
        offer, item = items.owners[known], items.values[known]
        model_items = Ragged.of_pairs(offer, codes[item], len(items))
        size = int(codes.max(initial=0)) + 1
        keys = model_items.owners * size + model_items.values
        part = np.bincount(np.searchsorted(keys, offer * size + codes[item]), parts[item], minlength=len(keys))
        candidates = np.unique(model_items.values)
        place = np.full(len(codes), -1)
        placed = np.isin(codes, candidates)
        place[placed] = np.searchsorted(candidates, codes[placed])
        mixed = np.unique(items.owners[~known])
        return cls(
            candidates,
            Ragged(model_items.offsets, np.searchsorted(candidates, model_items.values)),
            np.minimum(part, 1).astype(np.float32),
            place,
            Ragged.of_pairs(item, offer, len(codes)),
            mixed,
            Ragged.of_pairs(items.values[~known], np.searchsorted(mixed, items.owners[~known]), len(codes)),
        )

    def expected(self, each: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [B, O]: Σ over an offer's model items of `each` [B, C] times its part; -inf for an offer of none."""
        found = np.full((len(each), len(self.of_offer)), -np.inf, np.float32)
        offsets, values = self.of_offer.offsets, self.of_offer.values
        for offers in spans(offsets, max(CELLS // max(len(each), 1), 1)):
            pairs = slice(int(offsets[offers.start]), int(offsets[offers.stop]))
            rows = Ragged(offsets[offers.start : offers.stop + 1] - pairs.start, values[pairs])
            found[:, offers] = rows.sum_of(each[:, rows.values] * self.part[pairs])
        return found
