"""What a list was worth: an offer is right if its subject went on to buy something that it covers.

A coupon for a whole department is right for nearly everyone. So beside NDCG and precision stands

    beyond chance = Σ over the k places of (right - share of judged subjects for whom this offer would be right) / k

which is what a list finds beyond sending the same offers to people drawn at random: that coupon adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.evaluation.metrics import Judged, ndcg, precision
from recsys.evaluation.policy_lab.lab import Lab, Lists
from recsys.evaluation.splits import Window
from recsys.history import histories
from recsys.offer_book import OfferBook

METRICS: Final = ("ndcg", "precision", "beyond")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the judged subjects went on to buy.

    Args:
        rows: int64 [J], who can be judged: they may be sent something, and bought something that an offer covers.
        relevant: bool [J, O], offers that could be sent to them and cover something they bought.
    """

    rows: NDArray[np.int64]
    relevant: NDArray[np.bool_]

    def judge(self, lists: Lists) -> NDArray[np.float64]:
        """float64 [J, metrics]: every metric of `METRICS` for every judged subject."""
        offers = lists.offers[self.rows]
        judged = Judged.of(offers, self.relevant)
        rate = np.where(offers >= 0, (self.relevant.sum(axis=0) / max(len(offers), 1))[offers], 0)
        beyond = (judged.hits.astype(np.float64) - rate).sum(axis=1) / judged.k
        return np.stack([ndcg(judged), precision(judged), beyond], axis=1)


def wanted(lab: Lab, book: OfferBook, window: Window, eligible: NDArray[np.bool_]) -> Wanted:
    """Look at the days after the decision.

    Args:
        lab: Who.
        book: The offers.
        window: The days; returns within them are netted.
        eligible: bool [S, O], what could be sent to whom, whatever the policy says of it.
    """
    after = pl.col("day").is_between(window.as_of, window.end, closed="left")
    bought = histories(lab.population.purchases.filter(after), book.index, subjects=lab.subjects)
    offer, row = book.covering.take(bought.item)
    relevant = np.zeros(eligible.shape, np.bool_)
    relevant[bought.rows_of[row], offer] = True
    relevant &= eligible
    rows = np.flatnonzero(relevant.any(axis=1))
    return Wanted(rows, relevant[rows])
