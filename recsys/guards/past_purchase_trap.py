"""Past-purchase trap: baby goods bought once, as a gift, are no sign of a baby; and children grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation
from recsys.history import Histories


def past_purchase_trap(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer if any key of its items was bought, but too few times or too long ago by its own rhythm.

    Bought on n distinct days (n >= 1): withheld if n < `min_days`; or if n >= 2 and the last purchase is more than
    `overdue` mean intervals ago, which is (today - last) * (n - 1) > overdue * (last - first), so that the edge itself
    is not withheld and nothing is divided. Never bought: not withheld by this guard. Consent to profiling is not asked:
    a history may always withhold.
    """
    gates, runs = situation.book.keys.traps, situation.runs
    if not len(gates.rule):
        return situation.nothing
    gate, run = _closed(situation)
    if not len(gate):
        return situation.nothing
    offer, which = gates.offers.take(gate)
    return situation.cells(runs.subject[run][which], offer)


def without_trapped(situation: Situation) -> Histories:
    """The histories as the scorer may see them: without what the trap treats as not bought, and what is not learned.

    What is dated after the decision, never offered, or in a group with `learn = false` is left out with it.
    """
    book, rows = situation.book, situation.histories
    keep = book.learned[rows.item] & (rows.day <= situation.today)
    _, run = _closed(situation)
    if len(run):
        runs = situation.runs
        size = book.keys.size
        trapped = np.unique(runs.subject[run] * size + runs.key[run])
        key, row = book.keys.of_item.take(rows.item)
        keep[row[np.isin(rows.rows_of[row] * size + key, trapped)]] = False
    return rows.where(keep)


def _closed(situation: Situation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The gates that are shut, and the run of purchases that shuts each."""
    keys, runs = situation.book.keys, situation.runs
    gate, run = keys.traps.of_key.take(runs.key)
    if not len(gate):
        return gate, run
    days, last = runs.days[run], runs.last[run]
    late = (situation.today - last) * (days - 1) > keys.overdue[gate] * (last - runs.first[run])
    shut = (days < keys.trap_min_days[gate]) | ((days > 1) & late)
    return gate[shut], run[shut]
