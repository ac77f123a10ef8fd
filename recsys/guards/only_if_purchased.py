"""Only if purchased: alcohol, pork, tobacco, … go to those who buy them, by count and recency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def only_if_purchased(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer unless every gate of its items is open to the subject.

    A gate opens with `min_days` distinct purchase days within the last `within_days` days: a purchase of today counts,
    one of exactly `within_days` days ago still does, one dated after today does not. Returned purchases are netted
    before (`recsys.history`). Without consent to profiling, no history opens a gate.
    """
    keys, runs = situation.book.keys, situation.runs
    gates = keys.gates
    if not len(gates.rule):
        return situation.nothing
    gate, run = gates.of_key.take(runs.key)
    since = situation.today - keys.within_days[gate].astype(np.int64)
    opened = (runs.days_since(run, since) >= keys.min_days[gate]) & situation.profiled[runs.subject[run]]
    if not opened.any():
        return situation.from_everyone(gates.of_offer > 0)
    offer, which = gates.offers.take(gate[opened])
    cells = runs.subject[run[opened]][which] * situation.shape[1] + offer
    size = situation.shape[0] * situation.shape[1]
    return np.asarray(np.bincount(cells, minlength=size).reshape(situation.shape) < gates.of_offer)
