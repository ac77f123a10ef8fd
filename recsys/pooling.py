"""Pooling: from the scores of model items to the score of an offer, by one rule.

    score(offer) = Σ over its model items of max(score, 0) · share + 1 - 2^(-28 · others / 168)
    share        = (covered + part) / (bought + 1)

A model item's score is the chance that it is bought next, its share how likely that is by this offer; what comes out is
how many of them the person may be expected to buy by it. Counted are a person's purchase days, each halved every 168
days: `bought`, those of the model item; `covered`, those of what the offer covers of it; `others`, those of what it
covers that has no model item, bought on at the same rate for 28 days. `part` of the model item's items are in the
offer: all there is to say of someone who never bought any. An offer of whole model items ranks as the model does
(docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.history import Histories
from recsys.offer_book import OfferBook
from recsys.ragged import Ragged, changes

HALF_LIFE_DAYS: Final = 168.0
_AHEAD_DAYS: Final = 28.0
_PRIOR: Final = np.float32(1.0)  # purchase days, of which each item of a model item has its part
_CELLS: Final = 1 << 20  # of people and pairs at once, which bounds their memory


@dataclass(frozen=True, slots=True)
class CandidateMap:
    """Which model items the offers consist of, so that the scorer scores these and no others.

    P pairs of an offer and a model item of it, by offer. R offers cover items that have no model item.

    Args:
        candidates: int64 [C], model items in ascending order.
        of_offer: Offer to positions in `candidates`, one a pair; empty where the model knows none of its items.
        part: float32 [P], which part of the model item's items the offer covers.
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
    def of(cls, book: OfferBook, codes: NDArray[np.int32], sizes: NDArray[np.int64]) -> CandidateMap:
        """Map a book's offers, given the model item of each of its items (-1: none).

        An item that must not be learned from gives an offer no score: the other items do.

        Args:
            book: O offers.
            codes: int32 [items].
            sizes: int64 [model items], how many items each has.
        """
        return cls.from_items(book.items, np.where(book.learned, codes, -1), sizes)

    @classmethod
    def from_items(cls, items: Ragged, codes: NDArray[np.int32], sizes: NDArray[np.int64]) -> CandidateMap:
        """Map offers given as the items of each, and the rest as in `of`."""
        known = codes[items.values] >= 0
        offer, item = items.owners[known], items.values[known]
        model_items = Ragged.of_pairs(offer, codes[item], len(items))
        keys = model_items.owners * len(sizes) + model_items.values
        listed = np.bincount(np.searchsorted(keys, offer * len(sizes) + codes[item]), minlength=len(keys))
        candidates = np.unique(model_items.values)
        place = np.full(len(codes), -1)
        placed = np.isin(codes, candidates)
        place[placed] = np.searchsorted(candidates, codes[placed])
        mixed = np.unique(items.owners[~known])
        return cls(
            candidates,
            Ragged(model_items.offsets, np.searchsorted(candidates, model_items.values)),
            np.minimum(listed / sizes[model_items.values], 1).astype(np.float32),
            place,
            Ragged.of_pairs(item, offer, len(codes)),
            mixed,
            Ragged.of_pairs(items.values[~known], np.searchsorted(mixed, items.owners[~known]), len(codes)),
        )

    def expected(self, each: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [B, O]: Σ over an offer's model items of `each` [B, C] times its part; -inf for an offer of none."""
        found = np.full((len(each), len(self.of_offer)), -np.inf, np.float32)
        for offers, pairs in self._spans(max(_CELLS // max(len(each), 1), 1)):
            rows = Ragged(
                self.of_offer.offsets[offers.start : offers.stop + 1] - pairs.start, self.of_offer.values[pairs]
            )
            found[:, offers] = rows.sum_of(each[:, rows.values] * self.part[pairs])
        return found

    def _spans(self, most: int) -> Iterator[tuple[slice, slice]]:
        """Offers, and their pairs, a few at a time: no more than so many pairs, unless one offer has more."""
        offsets = self.of_offer.offsets
        start = 0
        while start < len(self.of_offer):
            stop = max(int(np.searchsorted(offsets, offsets[start] + most, side="right")) - 1, start + 1)
            yield slice(start, stop), slice(int(offsets[start]), int(offsets[stop]))
            start = stop


@dataclass(frozen=True, slots=True)
class Coverage:
    """Purchase days of B subjects, each halved every 168 days.

    H hits are purchase days of an item and offers that cover it, the item having a model item.

    Args:
        bought: float32 [B, C], of each candidate.
        others: float32 [B, R], of what the mixed offers cover that has no model item.
        row: int64 [H], the subject of each hit.
        offer: int64 [H].
        position: int64 [H], of the model item in the candidates.
        weight: float64 [H], what is left of the day.
    """

    bought: NDArray[np.float32]
    others: NDArray[np.float32]
    row: NDArray[np.int64]
    offer: NDArray[np.int64]
    position: NDArray[np.int64]
    weight: NDArray[np.float64]


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
    weight = _left(histories, today)
    place, size = offers.place[histories.item], len(offers.candidates)
    known = place >= 0
    cells = histories.rows_of[known] * size + place[known]
    bought = np.bincount(cells, weight[known], minlength=len(histories) * size)
    offer, hit = offers.covering.take(histories.item)
    others = decayed(histories, offers.others, today, len(offers.mixed))
    each = bought.reshape(len(histories), size).astype(np.float32)
    return Coverage(each, others, histories.rows_of[hit], offer, place[hit], weight[hit])


def decayed(histories: Histories, columns: Ragged, today: int, size: int) -> NDArray[np.float32]:
    """float32 [B, size]: B subjects' purchase days, halved every 168 days, by column; an item may count for several."""
    column, row = columns.take(histories.item)
    cells = histories.rows_of[row] * size + column
    found = np.bincount(cells, _left(histories, today)[row], minlength=len(histories) * size)
    return found.reshape(len(histories), size).astype(np.float32)


def pool(scores: NDArray[np.float32], found: Coverage, offers: CandidateMap) -> NDArray[np.float32]:
    """float32 [B, O]: the offers' scores; not finite where neither the model nor the history knows the offer.

    Args:
        scores: float32 [B, C], of the candidates; -inf for those that were not scored.
        found: Of the same subjects.
        offers: O of them.
    """
    a_day = _a_day(scores, found)
    pooled = offers.expected(_PRIOR * a_day)
    cells = found.row * len(offers.of_offer) + found.offer
    covered = np.bincount(cells, found.weight * a_day[found.row, found.position], minlength=pooled.size)
    pooled += covered.reshape(pooled.shape).astype(np.float32)
    if len(offers.mixed):
        before, chance = pooled[:, offers.mixed], _chance(found.others)
        pooled[:, offers.mixed] = np.where(np.isneginf(before) & (chance > 0), 0, before) + chance
    return pooled


def popular(shares: NDArray[np.float32], offers: CandidateMap) -> NDArray[np.float32]:
    """float32 [O]: Σ over an offer's model items of popularity times part; -inf where none of them has any.

    Args:
        shares: float32 [C], the candidates' popularity; -inf where too few bought them.
        offers: O of them.
    """
    known = offers.of_offer.max_of(shares) > -np.inf
    found = offers.expected(np.where(np.isneginf(shares), np.float32(0), shares)[None])[0]
    return np.where(known, found, np.float32(-np.inf))


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
        rows: int64 [N], positions of subjects; each subject and offer once.
        listed: int64 [N], offers.
    """
    a_day = _a_day(scores, found)
    pair, owner = Ragged(offers.of_offer.offsets, np.arange(len(offers.part))).take(listed)
    position = offers.of_offer.values[pair]
    rest = _PRIOR * a_day[rows[owner], position].astype(np.float64) * offers.part[pair]
    own = np.zeros(len(pair))
    hit, place = _hits(found, offers, rows, listed)
    keys, size = owner * len(offers.candidates) + position, len(offers.candidates)
    amount = found.weight[hit] * a_day[found.row[hit], found.position[hit]]
    np.add.at(own, np.searchsorted(keys, place * size + found.position[hit]), amount)
    order = np.lexsort((position, -(own + rest), owner))
    first = order[changes(owner[order])]
    best, of_best = np.full(len(listed), -1, np.int64), np.zeros(len(listed))
    best[owner[first]] = offers.candidates[position[first]]
    bought = found.bought[rows[owner[first]], position[first]]
    of_best[owner[first]] = _PRIOR * offers.part[pair[first]] / (bought + _PRIOR)
    adds = np.zeros(len(listed))
    np.add.at(adds, owner, own)
    mixed = np.flatnonzero(np.isin(listed, offers.mixed))
    adds[mixed] += _chance(found.others)[rows[mixed], np.searchsorted(offers.mixed, listed[mixed])]
    return Apart(best.tolist(), of_best, adds)


def _hits(
    found: Coverage, offers: CandidateMap, rows: NDArray[np.int64], listed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The hits of some subjects' offers, and for each the number of that subject's offer among those asked for."""
    asked, there = (row * len(offers.of_offer) + offer for row, offer in ((rows, listed), (found.row, found.offer)))
    order = np.argsort(asked)
    place = np.searchsorted(asked[order], there)
    hit = np.flatnonzero(place < len(asked))
    hit = hit[asked[order][place[hit]] == there[hit]]
    return hit, order[place[hit]]


def _a_day(scores: NDArray[np.float32], found: Coverage) -> NDArray[np.float32]:
    """float32 [B, C]: what a purchase day is worth, of the prior too; scores below zero expect nothing."""
    expected = np.where(np.isneginf(scores), scores, np.maximum(scores, 0))
    return np.asarray(expected / (found.bought + _PRIOR), np.float32)


def _left(histories: Histories, today: int) -> NDArray[np.float64]:
    """float64 [rows]: what is left of each purchase day."""
    return np.asarray(np.exp2((histories.day - today) / HALF_LIFE_DAYS), np.float64)


def _chance(days: NDArray[np.float32]) -> NDArray[np.float32]:
    """That something bought at the rate that so many decayed purchase days make is bought in the days ahead."""
    return np.asarray(1 - np.exp2(days * np.float32(-_AHEAD_DAYS / HALF_LIFE_DAYS)), np.float32)
