"""Only if purchased: alcohol, pork, tobacco, … go to those who buy them, by count and recency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation
from recsys.history import DAYS, day_number


def only_if_purchased(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer unless every gate of its items is open to the subject.

    A gate opens with `min_days` distinct purchase days within the last `within_days` days: a purchase of today counts,
    one of exactly `within_days` days ago still does, one dated after today does not. Returned purchases are netted
    before (`recsys.history`). Without consent to profiling, no history opens a gate.
    """
    gates = situation.book.gates
    if not len(gates.of_offer.values):
        return np.zeros(situation.shape, np.bool_)
    opened = _purchase_days(situation) >= gates.min_days
    opened &= np.array([state.may_profile for state in situation.states], np.bool_)[:, None]
    return gates.of_offer.any_of(~opened)


def _purchase_days(situation: Situation) -> NDArray[np.int64]:
    """int64 [B, G]: distinct days within each gate's window on which something that counts for it was bought."""
    gates = situation.book.gates
    subjects, items, days = _sensitive_rows(situation)
    gate, row = gates.of_item.take(items)
    age = situation.today - days[row]
    counts = (age >= 0) & (age <= gates.within_days[gate])
    shape = (len(situation.requests), len(gates.min_days))
    cells = subjects[row[counts]] * shape[1] + gate[counts]
    distinct = np.unique(cells * DAYS + days[row[counts]])
    return np.bincount(distinct // DAYS, minlength=shape[0] * shape[1]).reshape(shape)


def _sensitive_rows(
    situation: Situation,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Subject, item and day of every purchase that counts for a gate: of the histories and of the states' counters."""
    histories, gates = situation.histories, situation.book.gates
    guarded = gates.of_item.lengths > 0
    wanted = guarded[histories.item]
    counters = [
        (row, situation.book.index.codes.get(purchase.item, -1), day_number(purchase.day))
        for row, state in enumerate(situation.states)
        for purchase in state.sensitive_purchases
        if purchase.quantity > 0
    ]
    extra = np.array(counters, np.int64).reshape(-1, 3)
    extra = extra[(extra[:, 1] >= 0) & guarded[extra[:, 1]]]
    return (
        np.concatenate([histories.rows_of[wanted], extra[:, 0]]),
        np.concatenate([histories.item[wanted].astype(np.int64), extra[:, 1]]),
        np.concatenate([histories.day[wanted].astype(np.int64), extra[:, 2]]),
    )
