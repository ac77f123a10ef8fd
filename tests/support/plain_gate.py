"""The measures of the release gate in plain loops over sets, as their definitions read."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from pseudonymize.gate.histories import Histories
from pseudonymize.gate.lines import Lines

Row = tuple[int, int, int]  # subject, item, days since 1970
Point = tuple[int, int]  # item, day
Sets = Mapping[int, frozenset[Point]]


def lines_of(rows: Sequence[Row], *, items: int) -> Lines:
    """Rows as the gate reads them; everybody's hash is their number."""
    people = sorted({subject for subject, _, _ in rows})
    place = {subject: number for number, subject in enumerate(people)}
    return Lines(
        np.asarray(people, np.uint64),
        pl.Series("item", [f"item-{number:03}" for number in range(items)]),
        np.asarray([place[subject] for subject, _, _ in rows], np.uint32),
        np.asarray([item for _, item, _ in rows], np.uint32),
        np.asarray([day for _, _, day in rows], np.int32),
    )


def sets_of(histories: Histories) -> dict[int, frozenset[Point]]:
    """The histories as sets, by the places of their subjects."""
    labels, days = histories.labels.tolist(), histories.days.tolist()
    return {
        int(subject): frozenset((labels[point], days[point]) for point in histories.of(number).tolist())
        for number, subject in enumerate(histories.subjects)
    }


def common(sets: Sets, k: int) -> dict[int, frozenset[Point]]:
    """Without the points of fewer than k subjects, and without who has none left."""
    counts = Counter(point for points in sets.values() for point in points)
    left = {who: frozenset(p for p in points if counts[p] >= k) for who, points in sets.items()}
    return {who: points for who, points in left.items() if points}


def week(day: int) -> int:
    """The Monday of a day's week."""
    date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    return day - date.weekday()


def holding(sets: Sets, points: Iterable[Point]) -> int:
    """How many have all of some points."""
    wanted = frozenset(points)
    return sum(wanted <= own for own in sets.values())


def linked(released: Sets, own: Sets) -> float:
    """How many of the released the attacker names rightly, by the better of two similarities."""
    counts = Counter(point for points in own.values() for point in points)
    weight = {point: 1 / math.log1p(count) for point, count in counts.items()}

    def named(*, cosine: bool) -> float:
        right = 0.0
        for who, points in released.items():
            similar = {}
            for other, theirs in own.items():
                total = sum(weight[point] for point in points & theirs)
                length = math.sqrt(sum(weight[point] for point in theirs))
                similar[other] = total / length if cosine else total
            best = max(similar.values(), default=0.0)
            alike = [other for other, value in similar.items() if value >= best * (1 - 1e-9)]
            right += 1 / len(alike) if best > 0 and who in alike else 0
        return right

    return max(named(cosine=False), named(cosine=True))
