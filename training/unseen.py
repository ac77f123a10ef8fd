"""Histories that nobody learned from, for the graph to be tried on: what a fit has seen, it may have been fitted to.

They are made of real ones, so that they look like what a shop sends, and drawn by no chance:

- *woven*: the pasts of two people, of very different lengths, as one person's; half of them all,
- *cut*: the same, up to and as of the day of their middle purchase; a quarter,
- *short*: the newest 0, 1, 2 or 5 purchase days of the same; a quarter,
- *long*: the pasts of those who bought most, as many purchase days as a scorer keeps (`recsys.history.MAX_ROWS`); one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.history import MAX_ROWS, Histories
from recsys.model_histories import ModelHistories, fold_histories
from recsys.ragged import Ragged, in_order, offsets_of
from training.record import Record

PAIRS: Final = 128
SHORT: Final = (0, 1, 2, 5)

Numbers = NDArray[np.int64]


def unseen(record: Record, until: int) -> ModelHistories:
    """Twice as many as pairs of people, up to 256, of what was bought before `until`."""
    sizes = np.bincount(record.owner[record.there(until)], minlength=record.subjects)
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]  # who took everything back has no past
    pairs = _pairs(order)
    some = pairs[::2]
    members = Ragged.of([*pairs, *some, *some[1:], _most(sizes, order)])
    ends, known = np.full(len(members), until), np.full(len(members), MAX_ROWS)
    cut = slice(len(pairs), len(pairs) + len(some))
    ends[cut] = [_middle_day(record, pair, until) for pair in some]
    known[cut.stop : -1] = np.resize(SHORT, len(some) - 1)
    return _woven(record, members, ends, known)


def _pairs(order: Numbers) -> Numbers:
    """int64 [K, 2]: people of all lengths, each beside the one half the way round; of one person twice that one."""
    places = np.unique(np.linspace(0, len(order) - 1, min(PAIRS, len(order))).astype(np.int64))
    return np.stack([order[places], order[(places + len(order) // 2) % len(order)]], axis=1)


def _most(sizes: Numbers, order: Numbers) -> Numbers:
    """Who bought most, as many as it takes for all that a scorer keeps of one."""
    total = np.cumsum(sizes[order[::-1]])
    return order[::-1][: np.searchsorted(total, MAX_ROWS) + 1]


def _middle_day(record: Record, members: Numbers, until: int) -> int:
    """The day of the middle one of their purchases before `until`."""
    return int(np.median(record.until(members, np.full(len(members), until)).day))


def _woven(record: Record, members: Ragged, ends: Numbers, known: Numbers) -> ModelHistories:
    """For each row of members one history: what they bought before its end, of that the newest purchase days."""
    subjects, owners = members.take(np.arange(len(members)))
    parts = record.until(subjects, ends[owners])
    row = np.repeat(owners, np.diff(parts.offsets))
    order, sizes = in_order(row, parts.day, parts.item), np.bincount(row, minlength=len(members))
    before_end = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(row))
    kept = order[before_end <= np.repeat(known, sizes)]
    histories = Histories(
        ("",) * len(members),
        offsets_of(np.minimum(sizes, known)),
        *(parts.item[kept], parts.day[kept], parts.quantity[kept], parts.baskets[kept]),
    )
    items = len(record.vocabulary)
    return fold_histories(histories, np.arange(items, dtype=np.int32), items=items, as_of=ends)
