"""Examples: who is looked at, as of which day, and what they bought from there.

Nothing in one looks ahead: what was returned later is in the histories of the days in between, and is among what was
bought next where it was kept until the block's end. What holds for all of them at once comes from the whole record:
where the blocks lie, the time scale, and which model items there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.history import DAYS
from recsys.ragged import Ragged
from training.record import Record

WINDOW: Final = 28  # days
BLOCK: Final = 14
MOST: Final = 7  # windows: the ranker learns from all, settings are judged on the newest, too
BEFORE: Final = 3  # windows of history that an example has at least
THIN: Final = 0.1  # of the purchases of the fullest block: rows that are dated too late, or an `until` that is
PACES: Final = (1, 8)  # half-lives of popularity that are held against each other, in days
MOST_POPULAR: Final = 10  # items of each
FASTER: Final = 1.25  # times what the longer one finds,
BY_CHANCE: Final = 3  # and so many standard deviations more
RETURNING: Final = (500, 0.25)  # so many subjects, or such a share, make windows for all worth while


@dataclass(frozen=True, slots=True)
class Examples:
    """E histories that end on a day, with what was bought next.

    Args:
        start: The first day of all: factors are learned from what lies before it.
        subject: int64 [E], rows of the record.
        day: int64 [E], `start` or later; history is strictly before it.
        targets: For each of the E, the model items bought next, ascending.
        known: int64 [E], of how many purchase days each history consists at most, the newest; None: of all.
    """

    start: int
    subject: NDArray[np.int64]
    day: NDArray[np.int64]
    targets: Ragged
    known: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.subject)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """Some of them."""
        values, owners = self.targets.take(rows)
        known = None if self.known is None else self.known[rows]
        targets = Ragged.of_pairs(owners, values, len(rows))
        return Examples(self.start, self.subject[rows], self.day[rows], targets, known)


def time_scale(record: Record, until: int) -> float:
    """τ: the median days between a subject's purchase days of an item, 7 at least and 90 at most; 28 without any."""
    seen = record.there(until)
    owner, item, day = record.owner[seen], record.item[seen].astype(np.int64), record.day[seen]
    keys = np.sort((owner * len(record.vocabulary) + item) * DAYS + day)
    gaps = np.diff(keys)[np.diff(keys // DAYS) == 0]
    return float(np.clip(np.median(gaps), 7, 90)) if len(gaps) else float(WINDOW)


def examples_of(record: Record, until: int) -> list[Examples]:
    """Blocks of examples before `until`, the newest last; empty blocks are left out.

    Windows of 28 days (shorter where the data is) for everyone, with three windows of history before them; where few
    come back within one (the median of them), every basket of the last blocks of 14 days with a history before it.
    Where popularity moves by the day, the first basket of each in the window instead of all that they bought in it.
    The newest blocks are passed over where hardly anything was bought in them.
    """
    first, end = int(record.day.min()), busy_until(record, until, WINDOW)
    length = max(1, min(WINDOW, (end - first) // (BEFORE + 3)))
    newest = busy_until(record, end, length)
    starts = range(newest - length, max(first + BEFORE * length - 1, newest - MOST * length - 1), -length)
    blocks = [_window(record, start, start + length) for start in starts]
    enough = min(RETURNING[0], RETURNING[1] * record.subjects)
    if not blocks or np.median([len(block) for block in blocks]) < enough:
        length = max(1, min(BLOCK, (end - first) // (BEFORE + 3)))
        newest = busy_until(record, end, length)
        starts = range(newest - length, max(first, newest - MOST * length - 1), -length)
        blocks = [_baskets(record, start, start + length) for start in starts]
    elif moves_by_the_day(record, blocks):
        blocks = [_first_baskets(record, start, start + length) for start in starts]
    return [block for block in reversed(blocks) if len(block)]


def moves_by_the_day(record: Record, windows: Sequence[Examples]) -> bool:
    """Whether yesterday's popularity tells what is bought in the windows better than the last week's does.

    By how much of it are the ten most popular; a quarter more, and more than chance makes of so few purchases. Where
    both tell the same, windows teach more: they hold more first purchases (docs/adr/0037).
    """
    items, found = len(record.vocabulary), np.zeros(len(PACES))
    for window in windows:
        bought = np.bincount(window.targets.values, minlength=items)
        seen = record.there(window.start)
        item, age = record.item[seen], window.start - record.day[seen]
        for place, half_life in enumerate(PACES):
            popularity = np.bincount(item, np.exp2(-age / half_life), minlength=items)
            found[place] += bought[np.argsort(-popularity, kind="stable")[:MOST_POPULAR]].sum()
    day, week = found
    return bool(day > FASTER * week and day - week > BY_CHANCE * np.sqrt(day + week))


def busy_until(record: Record, until: int, length: int) -> int:
    """`until`, or as many times `length` days before it as hardly anything was bought in: `THIN` of what is at most."""
    purchases = np.bincount((until - 1 - record.day[record.there(until)]) // length, minlength=1)
    return until - length * int(np.argmax(purchases >= THIN * purchases.max()))


def idle_days(record: Record, until: int) -> int:
    """How many days before `until` hardly anything was bought, as far as examples pass over them or nothing was."""
    nothing = until - 1 - int(record.day[record.there(until)].max())
    return max(nothing, until - busy_until(record, until, WINDOW))


def _window(record: Record, start: int, end: int) -> Examples:
    """Everyone with a history who bought something from `start` to before `end`."""
    owner, bought = record.owner, (record.day >= start) & record.there(end)
    returning = np.intersect1d(owner[record.there(start)], owner[bought])
    inside = bought & np.isin(owner, returning)
    row = np.searchsorted(returning, owner[inside])
    targets = Ragged.of_pairs(row, record.item[inside], len(returning))
    return Examples(start, returning, np.full(len(returning), start), targets)


def _baskets(record: Record, start: int, end: int) -> Examples:
    """Every shopping day from `start` to before `end` of those who had bought anything before it."""
    inside = (record.day >= start) & record.there(end)
    keys, item = record.owner[inside] * DAYS + record.day[inside], record.item[inside]
    days = np.unique(keys)
    days = days[record.anything(*np.divmod(days, DAYS))]
    known = np.isin(keys, days)
    targets = Ragged.of_pairs(np.searchsorted(days, keys[known]), item[known], len(days))
    return Examples(start, days // DAYS, days % DAYS, targets)


def _first_baskets(record: Record, start: int, end: int) -> Examples:
    """Of each subject who had bought anything before `start` the first shopping day from there to before `end`."""
    baskets = _baskets(record, start, end)
    subjects, first = np.unique(baskets.subject, return_index=True)
    return baskets.take(first[record.anything(subjects, np.full(len(subjects), start))])
