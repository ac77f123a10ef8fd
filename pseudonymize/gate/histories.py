"""Histories as sets of points, and how a setting makes them coarser, shorter and fewer.

A point is a thing bought and its day, each as exact as the setting says. A point that fewer than k subjects have never
stays: it would be one person's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.gate.labels import Labels
from pseudonymize.gate.lines import Lines
from pseudonymize.gate.settings import Days, Keep, Setting

_KEY_BITS: Final = 63 - 17  # of a number, for a subject and chance
_DAYS: Final = 1 << 17  # in a code, the room for the day: 1970 to 2328
_CELLS: Final = 1 << 28  # of a table of all labels by all days: faster than sorting, where it is no larger
_PERIOD: Final = {Days.WEEK: "1w", Days.MONTH: "1mo"}


@dataclass(frozen=True, slots=True)
class Histories:
    """Which points each subject has, as rows of a sparse matrix.

    Args:
        subjects: For each history, the place of its subject in the lines' `people`.
        starts: Where each history begins in `points`; one more at the end.
        points: The points of one history after the other, rising within each.
        codes: For each point what it is, `label * 2^17 + day`; rising.
    """

    subjects: NDArray[np.int64]
    starts: NDArray[np.int64]
    points: NDArray[np.int64]
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.subjects)

    def of(self, number: int) -> NDArray[np.int64]:
        """The points of one history."""
        return self.points[self.starts[number] : self.starts[number + 1]]

    @property
    def owners(self) -> NDArray[np.int32]:
        """For each of `points`, the number of its history."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))

    @property
    def labels(self) -> NDArray[np.int64]:
        """For each point, the place of its label."""
        return self.codes // _DAYS

    @property
    def days(self) -> NDArray[np.int64]:
        """For each point, the days since 1970; 0 where no day is released."""
        return self.codes % _DAYS


@dataclass(frozen=True, slots=True)
class Postings:
    """The same matrix by points: who has each."""

    starts: NDArray[np.int64]
    owners: NDArray[np.int32]

    def of(self, point: int) -> NDArray[np.int32]:
        """The numbers of the histories with this point, rising."""
        return self.owners[self.starts[point] : self.starts[point + 1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """For each point, how many have it."""
        return np.diff(self.starts)


def postings(histories: Histories) -> Postings:
    """Who has each point."""
    width = max(len(histories), 1)
    key = np.sort(histories.points * width + histories.owners)  # faster than sorting by place
    counts = np.bincount(histories.points, minlength=len(histories.codes))
    return Postings(_starts(counts), (key % width).astype(np.int32))


def generalised(lines: Lines, labels: Labels, setting: Setting, *, k: int, rng: np.random.Generator) -> Histories:
    """The histories that a release holds: `held`, then `kept`."""
    return kept(held(lines, labels, setting.days, latest=setting.keep is Keep.LAST), setting, k=k, rng=rng)


@dataclass(frozen=True, slots=True)
class Held:
    """Distinct (subject, point), in order, each with the latest day that it stands for, where that was asked for."""

    subject: NDArray[np.int64]
    point: NDArray[np.int64]
    latest: NDArray[np.int64]
    codes: NDArray[np.int64]

    def where(self, keep: NDArray[np.bool_]) -> Held:
        """Those at the true places."""
        return Held(self.subject[keep], self.point[keep], self.latest[keep], self.codes)


def held(lines: Lines, labels: Labels, days: Days, *, latest: bool) -> Held:
    """The points of every subject, at the level of the labels; what has no label is left out."""
    label, subject, day = labels.place.astype(np.int32)[lines.item], lines.subject, lines.day
    wanted = label >= 0
    if not wanted.all():
        label, subject, day = label[wanted], subject[wanted], day[wanted]
    codes, point = _points(label, day_of(day, days))
    width = max(len(codes), 1)
    key = subject * np.int64(width) + point
    keys, latest_day = in_order(key, day) if latest else (np.sort(key), np.zeros(len(key), np.int64))
    last = np.ones(len(keys), np.bool_)
    last[:-1] = keys[1:] != keys[:-1]
    who, what = np.divmod(keys[last], width)
    return Held(who, what, latest_day[last], codes)


def _points(label: NDArray[np.int32], day: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes of all points, rising, and for each row the place of its own."""
    first = int(day.min(initial=_DAYS))
    span = int(day.max(initial=first)) - first + 1
    cell = label * np.int64(span) + (day - first)
    cells = (int(label.max(initial=-1)) + 1) * span
    if cells <= _CELLS:
        held = np.zeros(cells, np.bool_)
        held[cell] = True
        found, point = np.flatnonzero(held), (np.cumsum(held) - 1)[cell]
    else:
        distinct = pl.Series(cell).unique().sort()
        found, point = distinct.to_numpy(), distinct.search_sorted(pl.Series(cell)).cast(pl.Int64).to_numpy()
    return found // span * _DAYS + found % span + first, point


def in_order(key: NDArray[np.int64], day: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys and days in order: as one number, where there is room, which takes half as long and as much memory."""
    first = int(day.min(initial=_DAYS))
    span = int(day.max(initial=first)) - first + 1
    if int(key.max(initial=0)) < np.iinfo(np.int64).max // span - 1:
        both = np.sort(key * span + (day - first))
        keys, past = np.divmod(both, span)
        return keys, past + first
    frame = pl.DataFrame({"key": key, "day": day}).sort("key", "day")
    return frame["key"].to_numpy(), frame["day"].cast(pl.Int64).to_numpy()


def kept(held: Held, setting: Setting, *, k: int, rng: np.random.Generator) -> Histories:
    """What of it a release holds.

    Args:
        held: With the latest days, where the setting keeps the latest points.
        setting: How short and few.
        k: Points of fewer subjects do not stay, neither before truncation nor after it.
        rng: Draws what `sample` and `subjects` keep, and who comes first among points of one day.
    """
    if setting.subjects < 1:
        people = np.unique(held.subject)
        drawn = rng.choice(people, round(setting.subjects * len(people)), replace=False)
        held = held.where(np.isin(held.subject, drawn))
    held = _common(held, k)
    if setting.keep is not Keep.ALL:
        held = _common(_shortened(held, setting, rng), k)
    subjects, counts = np.unique(held.subject, return_counts=True)
    return Histories(subjects, _starts(counts), held.point, held.codes)


def day_of(days: NDArray[np.int32], exactness: Days) -> NDArray[np.int32]:
    """Each day since 1970 as exactly as it is released; 0 where it is not."""
    if exactness is Days.DAY or not len(days):
        return days
    if exactness is Days.NONE:
        return np.zeros_like(days)
    first, last = int(days.min()), int(days.max())
    every = pl.Series(np.arange(first, last + 1, dtype=np.int32)).cast(pl.Date)
    begins: NDArray[np.int32] = every.dt.truncate(_PERIOD[exactness]).to_physical().to_numpy()
    return np.maximum(begins, 0)[days - first]  # the first week of 1970 begins in 1969


def _common(held: Held, k: int) -> Held:
    """Without the points that fewer than k subjects have."""
    enough = np.bincount(held.point, minlength=len(held.codes)) >= k
    keep = enough[held.point]
    renumbered = np.cumsum(enough) - 1
    return Held(held.subject[keep], renumbered[held.point[keep]], held.latest[keep], held.codes[enough])


def _shortened(held: Held, setting: Setting, rng: np.random.Generator) -> Held:
    """At most `most` points of each subject: the latest, or any; chance decides among equals."""
    latest = held.latest if setting.keep is Keep.LAST else np.zeros_like(held.latest)
    spare = _KEY_BITS - int(held.subject.max(initial=1)).bit_length()
    chance = rng.integers(1 << spare, size=len(latest))
    key = ((held.subject * _DAYS + _DAYS - 1 - latest) << spare) + chance  # one number: sorted six times as fast
    order = pl.Series(key).arg_sort().to_numpy()
    ordered = held.subject[order]
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    begins = np.flatnonzero(first)
    rank = np.arange(len(ordered)) - np.repeat(begins, np.diff([*begins.tolist(), len(ordered)]))
    keep = np.zeros(len(ordered), np.bool_)
    keep[order[rank < setting.most]] = True
    return held.where(keep)


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
