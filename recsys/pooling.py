"""Pooling: from the scores of model items to the score of an offer, by one rule.

    score(offer) = Σ over its model items of score · share + 1 - 2^(-28 · others / 84)
    share        = (covered + ½ · part) / (bought + ½)

A model item's score is the chance that it is bought next, its share how likely that is by this offer; what comes out is
how many of them the person may be expected to buy by it. Counted are a person's purchase days, each halved every 84
days: `bought`, those of the model item; `covered`, those of what the offer covers of it; `others`, those of what it
covers that has no model item, bought on at the same rate for 28 days. `part` of the model item's items are in the
offer: all there is to say of someone who never bought any. An offer of whole model items ranks as the model does
(docs/adr/0003).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.history import Histories
from recsys.offer_book import OfferBook
from recsys.ragged import Ragged, changes

HALF_LIFE_DAYS: Final = 84.0
_AHEAD_DAYS: Final = 28.0
_PRIOR: Final = np.float32(0.5)  # purchase days that the items of a model item have in common


@dataclass(frozen=True, slots=True)
class CandidateMap:
    """Which model items the offers consist of, so that the scorer scores these and no others.

    P pairs of an offer and a model item of it, by offer; Q of them are of a part of the model item's items. R offers
    cover items that have no model item.

    Args:
        candidates: int64 [C], model items in ascending order.
        of_offer: Offer to positions in `candidates`, one a pair; empty where the model knows none of its items.
        part: float32 [P], which part of the model item's items the offer covers.
        partial: int64 [Q], the pairs of which it is not all.
        place: Item to its model item's position in `candidates`.
        covering: Item to positions in `partial`.
        mixed: int64 [R], offers.
        others: Item without a model item to positions in `mixed`.
    """

    candidates: NDArray[np.int64]
    of_offer: Ragged
    part: NDArray[np.float32]
    partial: NDArray[np.int64]
    place: Ragged
    covering: Ragged
    mixed: NDArray[np.int64]
    others: Ragged

    @classmethod
    def of(cls, book: OfferBook, codes: NDArray[np.int32]) -> CandidateMap:
        """Map a book's offers, given the model item of each of its items (-1: none).

        An item that must not be learned from gives an offer no score: the other items do.
        """
        return cls.from_items(book.items, np.where(book.learned, codes, -1))

    @classmethod
    def from_items(cls, items: Ragged, codes: NDArray[np.int32]) -> CandidateMap:
        """Map offers given as the items of each, with the model item of every item (-1: none)."""
        known = codes[items.values] >= 0
        offer, item = items.owners[known], items.values[known]
        model_items = Ragged.of_pairs(offer, codes[item], len(items))
        pairs, size = model_items.owners, int(codes.max(initial=-1)) + 1
        of_row = np.searchsorted(pairs * size + model_items.values, offer * size + codes[item])
        whole = np.bincount(codes[codes >= 0], minlength=size)[model_items.values]
        part = np.bincount(of_row, minlength=len(pairs)) / whole
        candidates = np.unique(model_items.values)
        some = part[of_row] < 1
        placed = np.flatnonzero(np.isin(codes, candidates))
        mixed = np.unique(items.owners[~known])
        return cls(
            candidates,
            Ragged(model_items.offsets, np.searchsorted(candidates, model_items.values)),
            part.astype(np.float32),
            partial := np.flatnonzero(part < 1),
            Ragged.of_pairs(placed, np.searchsorted(candidates, codes[placed]), len(codes)),
            Ragged.of_pairs(item[some], np.searchsorted(partial, of_row[some]), len(codes)),
            mixed,
            Ragged.of_pairs(items.values[~known], np.searchsorted(mixed, items.owners[~known]), len(codes)),
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """Purchase days of B subjects, each halved every 84 days.

    Args:
        bought: float32 [B, C], of each candidate.
        covered: float32 [B, Q], of what each partial pair covers.
        others: float32 [B, R], of what the mixed offers cover that has no model item.
    """

    bought: NDArray[np.float32]
    covered: NDArray[np.float32]
    others: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Apart:
    """What the scores of N subjects' offers consist of.

    Args:
        best: The model item that adds most, -1 for none; of those that equal each other, the first.
        rest: float64 [N], the part of that model item's score which is not for having bought what the offer covers.
        bought: float64 [N], what having bought what the offer covers adds.
    """

    best: list[int]
    rest: NDArray[np.float64]
    bought: NDArray[np.float64]

    def split(self, offsets: NDArray[np.int64]) -> list[Apart]:
        """In parts that begin, and end, at `offsets`."""
        spans = [slice(*ends) for ends in pairwise(offsets.tolist())]
        return [Apart(self.best[span], self.rest[span], self.bought[span]) for span in spans]


def coverage(histories: Histories, offers: CandidateMap, today: int) -> Coverage:
    """Count B subjects' purchase days.

    Args:
        histories: What of theirs counts for scores.
        offers: What to count them for.
        today: The day (since 1970) that ages are measured from.
    """
    return Coverage(
        counted(histories, offers.place, today, len(offers.candidates)),
        counted(histories, offers.covering, today, len(offers.partial)),
        counted(histories, offers.others, today, len(offers.mixed)),
    )


def counted(histories: Histories, columns: Ragged, today: int, size: int) -> NDArray[np.float32]:
    """float32 [B, size]: B subjects' purchase days, halved every 84 days, by column; an item may count for several."""
    if not len(columns.values):
        return np.zeros((len(histories), size), np.float32)
    column, row = columns.take(histories.item)
    weight = np.exp2((histories.day[row] - today) / HALF_LIFE_DAYS)
    cells = histories.rows_of[row] * size + column
    return np.bincount(cells, weight, minlength=len(histories) * size).reshape(-1, size).astype(np.float32)


def pool(scores: NDArray[np.float32], found: Coverage, offers: CandidateMap) -> NDArray[np.float32]:
    """float32 [B, O]: the offers' scores; not finite where neither the model nor the history knows the offer.

    Args:
        scores: float32 [B, C], of the candidates.
        found: Of the same subjects.
        offers: O of them.
    """
    each = scores[:, offers.of_offer.values]
    if len(offers.partial):
        bought = found.bought[:, offers.of_offer.values[offers.partial]]
        each[:, offers.partial] *= (found.covered + _PRIOR * offers.part[offers.partial]) / (bought + _PRIOR)
    pooled = offers.of_offer.sum_of(each)
    if len(offers.mixed):
        before, chance = pooled[:, offers.mixed], _chance(found.others)
        pooled[:, offers.mixed] = np.where(np.isneginf(before) & (chance > 0), 0, before) + chance
    return pooled


def apart(
    scores: NDArray[np.float32],
    found: Coverage,
    offers: CandidateMap,
    rows: NDArray[np.int64],
    listed: NDArray[np.int64],
) -> Apart:
    """Take the scores of N offers apart.

    Args:
        scores: float32 [B, C], of the candidates.
        found: Of the same subjects.
        offers: O of them.
        rows: int64 [N], positions of subjects.
        listed: int64 [N], offers.
    """
    pair, owner = Ragged(offers.of_offer.offsets, np.arange(len(offers.part))).take(listed)
    position, row = offers.of_offer.values[pair], rows[owner]
    bought = found.bought[row, position].astype(np.float64)
    covered, number = bought.copy(), np.searchsorted(offers.partial, pair)
    partial = offers.part[pair] < 1
    covered[partial] = found.covered[row[partial], number[partial]]
    score = scores[row, position].astype(np.float64)
    own, rest = (score * share / (bought + _PRIOR) for share in (covered, _PRIOR * offers.part[pair]))
    order = np.lexsort((position, -(own + rest), owner))
    first = order[changes(owner[order])]
    best, of_best = np.full(len(listed), -1, np.int64), np.zeros(len(listed))
    best[owner[first]] = offers.candidates[position[first]]
    of_best[owner[first]] = _PRIOR * offers.part[pair[first]] / (bought[first] + _PRIOR)
    adds = np.zeros(len(listed))
    np.add.at(adds, owner, own)
    mixed = np.flatnonzero(np.isin(listed, offers.mixed))
    adds[mixed] += _chance(found.others)[rows[mixed], np.searchsorted(offers.mixed, listed[mixed])]
    return Apart(best.tolist(), of_best, adds)


def _chance(days: NDArray[np.float32]) -> NDArray[np.float32]:
    """That something bought at the rate that so many decayed purchase days make is bought in the days ahead."""
    return np.asarray(1 - np.exp2(days * np.float32(-_AHEAD_DAYS / HALF_LIFE_DAYS)), np.float32)
