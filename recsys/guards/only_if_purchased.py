"""Only if purchased: alcohol, pork, tobacco, … go to those who buy them, by count and recency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.past_purchase_trap import believed_runs
from recsys.guards.situation import Situation


def only_if_purchased(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer unless every gate of its items is open to the subject.

    A gate opens with `min_days` distinct purchase days within the last `within_days` days: a purchase of today counts,
    one of exactly `within_days` days ago still does, one dated after today does not. Returned purchases are netted
    before (`recsys.history`). What was bought too few times for a past-purchase trap opens nothing, whatever the
    levels of the two rules. Without consent to profiling, no history opens a gate.

    Source: what tells of faith or health indirectly is as protected as what says so, Court of Justice of the EU,
    C-184/20 (2022).
    """
    gates = situation.book.keys.gates
    if not len(gates.min_days):
        return situation.nothing
    runs = believed_runs(situation)
    gate, run = gates.of_key.take(runs.key)
    enough = runs.reached(run, gates.min_days[gate], gates.within_days[gate])
    opened = (enough & situation.profiled[runs.subject[run]]).nonzero()[0]
    if not len(opened):
        return situation.from_everyone(gates.of_offer > 0)
    offer, which = gates.offers.take(gate[opened])
    cells = (runs.subject[run[opened]] * situation.shape[1])[which]
    cells += offer
    size = situation.shape[0] * situation.shape[1]
    return np.asarray(np.bincount(cells, minlength=size).reshape(situation.shape) < gates.of_offer)
