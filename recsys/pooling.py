"""Pooling: from the scores of model items to the score of an offer, by one rule.

    score(offer) = Σ over its model items of max(score, 0) · share + 1 - 2^(-28 · others / 168)
    share        = (covered + part) / (bought + 1)

A model item's score is the chance that it is bought next, its share how likely that is by this offer; what comes out is
how many of them the person may be expected to buy by it. Counted are a person's purchase days, each halved every 168
days: `bought`, those of the model item; `covered`, those of what the offer covers of it; `others`, those of what it
covers that has no model item, bought on at the same rate for 28 days. `part` is how much of the model item the offer is
for someone who never bought any: what its items are of it, by what they sell and by their number. An offer of whole
model items ranks as the model does (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.candidate_map import CELLS, CandidateMap
from recsys.history import Histories
from recsys.ragged import Ragged, changes, offsets_of, spans

HALF_LIFE_DAYS: Final = 168.0
_AHEAD_DAYS: Final = 28.0
_PRIOR: Final = np.float32(1.0)  # purchase days, of which each item of a model item has its part


@dataclass(frozen=True, slots=True)
class Coverage:
    """Purchase days of B subjects, each halved every 168 days.

    Args:
        histories: Whose days they are.
        left: float64 [rows of the histories], what is left of each day.
        bought: float32 [B, C], of each candidate.
        others: float32 [B, R], of what the mixed offers cover that has no model item.
    """

    histories: Histories
    left: NDArray[np.float64]
    bought: NDArray[np.float32]
    others: NDArray[np.float32]

    def hits(self, offers: CandidateMap) -> Iterator[Hits]:
        """All hits, a few subjects at a time: no more than a bound, unless one subject has more."""
        known = self.histories
        ends = offsets_of(offers.covering.lengths[known.item])[known.offsets]
        for subjects in spans(ends, CELLS):
            start = int(known.offsets[subjects.start])
            offer, day = offers.covering.take(known.item[start : known.offsets[subjects.stop]])
            day += start
            yield Hits(subjects, known.rows_of[day], offer, offers.place[known.item[day]], self.left[day])


@dataclass(frozen=True, slots=True)
class Hits:
    """Purchase days of items with a model item, each with every offer that covers the item.

    Args:
        subjects: Whose.
        row: int64 [H], the subject's position among all.
        offer: int64 [H].
        position: int64 [H], of the model item in the candidates.
        left: float64 [H], what is left of the day.
    """

    subjects: slice
    row: NDArray[np.int64]
    offer: NDArray[np.int64]
    position: NDArray[np.int64]
    left: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Apart:
    """What the scores of N subjects' offers consist of.

    Args:
        best: The model item that adds most, -1 for none; of those that equal each other, the first.
        other_share: float64 [N], of that model item, what is not for having bought what the offer covers.
        bought: float64 [N], what having bought what the offer covers adds.
    """

    best: list[int]
    other_share: NDArray[np.float64]
    bought: NDArray[np.float64]

    def split(self, offsets: NDArray[np.int64]) -> list[Apart]:
        """In parts that begin, and end, at `offsets`."""
        spans = [slice(*ends) for ends in pairwise(offsets.tolist())]
        return [Apart(self.best[span], self.other_share[span], self.bought[span]) for span in spans]


def coverage(histories: Histories, offers: CandidateMap, today: int) -> Coverage:
    """Count B subjects' purchase days.

    Args:
        histories: What of theirs counts for scores.
        offers: What to count them for.
        today: The day (since 1970) that ages are measured from.
    """
    left = _left(histories, today)
    place, size = offers.place[histories.item], len(offers.candidates)
    known = place >= 0
    cells = histories.rows_of[known] * size + place[known]
    bought = np.bincount(cells, left[known], minlength=len(histories) * size)
    others = decayed(histories, offers.others, today, len(offers.mixed))
    return Coverage(histories, left, bought.reshape(len(histories), size).astype(np.float32), others)


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
    for hits in found.hits(offers):
        some = pooled[hits.subjects]
        cells = (hits.row - hits.subjects.start) * len(offers.of_offer) + hits.offer
        covered = np.bincount(cells, hits.left * a_day[hits.row, hits.position], minlength=some.size)
        some += covered.reshape(some.shape).astype(np.float32)
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
    position, subject = offers.of_offer.values[pair], rows[owner]
    other = _PRIOR * a_day[subject, position].astype(np.float64) * offers.part[pair]
    bought = _bought(a_day, found, offers, (rows, listed))

    order = np.lexsort((position, -(bought + other), owner))
    most = order[changes(owner[order])]  # the pair that adds most to each offer of any
    best, share = np.full(len(listed), -1), np.zeros(len(listed))
    best[owner[most]] = offers.candidates[position[most]]
    share[owner[most]] = _PRIOR * offers.part[pair[most]] / (found.bought[subject[most], position[most]] + _PRIOR)

    adds = np.bincount(owner, bought, minlength=len(listed)).astype(np.float64)
    mixed = np.flatnonzero(np.isin(listed, offers.mixed))
    adds[mixed] += _chance(found.others)[rows[mixed], np.searchsorted(offers.mixed, listed[mixed])]
    return Apart(best.tolist(), share, adds)


def _bought(
    a_day: NDArray[np.float32],
    found: Coverage,
    offers: CandidateMap,
    asked: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float64]:
    """What past purchases add to each model item of N subjects' offers: float64, as `of_offer.take(listed)` has them.

    Args:
        a_day: float32 [B, C], what a purchase day is worth.
        found: Of the same subjects.
        offers: O of them.
        asked: N positions of subjects, and an offer of each.
    """
    rows, listed = asked
    number = np.full((len(a_day), len(offers.of_offer)), -1)
    number[rows, listed] = np.arange(len(rows))
    of_pair, owner = offers.of_offer.take(listed)
    keys, size = owner * len(offers.candidates) + of_pair, len(offers.candidates)
    bought = np.zeros(len(keys))
    for hits in found.hits(offers):
        of_asked = number[hits.row, hits.offer]
        hit = np.flatnonzero(of_asked >= 0)
        row, position = hits.row[hit], hits.position[hit]
        there = np.searchsorted(keys, of_asked[hit] * size + position)
        bought += np.bincount(there, hits.left[hit] * a_day[row, position], minlength=len(bought))
    return bought


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
