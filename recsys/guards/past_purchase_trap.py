"""Past-purchase trap: baby goods bought once, as a gift, are no sign of a baby; and children grow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.guards.purchase_runs import PurchaseRuns, Purchases, runs_of
from recsys.guards.situation import Situation
from recsys.history import Histories


def past_purchase_trap(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer if any key of its items was bought, but too few times or too long ago by its own rhythm.

    Bought on n distinct days (n >= 1): withheld if n < `min_days`; or if n >= 2 and the last purchase is more than
    `overdue` mean intervals ago, which is (today - last) * (n - 1) > overdue * (last - first), so that the edge itself
    is not withheld and nothing is divided. Never bought: not withheld by this guard. Consent to profiling is not asked:
    a history may always withhold. Source: the mean interval between purchases of a repeat buyer, Ehrenberg,
    Repeat-Buying (1988).
    """
    closed = _closed(situation)
    if not len(closed):
        return situation.nothing
    runs = situation.runs
    offer, which = situation.book.keys.offers.take(runs.key[closed])
    return situation.cells(runs.subject[closed][which], offer)


def without_trapped(situation: Situation) -> Histories:
    """The histories as the scorer may see them: without what the trap treats as not bought, and what is not learned.

    What is dated after the decision, never offered, or in a group with `learn = false` is left out with it.
    """
    book, rows = situation.book, situation.histories
    keep = book.learned[rows.item] & (rows.day <= situation.today)
    closed = _closed(situation)
    if len(closed):
        keep &= ~_trapped(situation, closed, rows.rows_of, rows.item)
    return rows.where(keep)


def believed_runs(situation: Situation) -> PurchaseRuns:
    """The purchase days that open a gate: without those of what was bought too few times, at the trap's level.

    Too long ago by its own rhythm is not asked here: `within_days` says how long ago is too long for a gate, and the
    fewer purchases are known of, the slower a rhythm seems, so that erasing one could open a gate.
    """
    keys, runs, bought = situation.book.keys, situation.runs, situation.counted
    shut = (runs.days < keys.trap_min_days[runs.key]).nonzero()[0]
    if not len(shut):
        return runs
    if not keys.tangled.take(bought.item).any():  # a gate of what was trapped has the very key of the trap
        believed = runs.days.copy()
        believed[shut] = 0
        return replace(runs, days=believed)
    keep = keys.gated.take(bought.item)
    keep &= ~_trapped(situation, shut, bought.subject, bought.item)
    kept = Purchases(bought.subject[keep], bought.item[keep], bought.day[keep])
    return runs_of(kept, situation.today, keys.of_item, keys.size)


def _trapped(
    situation: Situation, closed: NDArray[np.int64], subject: NDArray[np.int64], item: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Which of N purchases are of a key whose run shut a trap, bool [N]."""
    keys, runs = situation.book.keys, situation.runs
    key, row = keys.of_item.take(item)
    shut = runs.subject[closed] * keys.size + runs.key[closed]
    trapped = np.zeros(len(item), np.bool_)
    trapped[row[np.isin(subject[row] * keys.size + key, shut)]] = True
    return trapped


def _closed(situation: Situation) -> NDArray[np.int64]:
    """The runs of purchases that shut a trap."""
    keys, runs = situation.book.keys, situation.runs
    run = keys.trap_min_days[runs.key].nonzero()[0]
    if not len(run):
        return run
    key, days, age = runs.key[run], runs.days[run], runs.newest[run]
    late = age * (days - 1) > keys.overdue[key] * (runs.oldest[run] - age)  # with one day, both sides are 0
    return run[(days < keys.trap_min_days[key]) | late]
