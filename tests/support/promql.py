"""Enough of PromQL to evaluate deploy/alerts.yml, as Prometheus does: a small model, for machines without promtool.

What is known of a target is what it said when it was last asked; a range holds what it said within it. `rate` and
`increase` extrapolate by the rules of Prometheus (promql/functions.go, extrapolatedRate), for which a series that
begins at 1 never rose. Where promtool is there, `tests/serving/test_alerts.py` has it judge the same stories.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Scrape = Mapping[tuple[str, Labels], float]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TOKEN = re.compile(r'\s*("[^"]*"|\d+(?:\.\d+)?[smhd]?|[A-Za-z_]\w*|=~|!=|!~|==|[-+*/(){}\[\],=<>])')
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
}


def seconds_of(text: str) -> float:
    """A duration."""
    return float(text[:-1]) * _UNITS[text[-1]]


class Told:
    """What was scraped so far: of each series its values, with their times in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._series: dict[str, dict[Labels, tuple[list[float], list[float]]]] = {}

    def add(self, now: float, scrape: Scrape) -> None:
        """One more scrape, of everything."""
        self.now = now
        for (name, labels), value in scrape.items():
            times, values = self._series.setdefault(name, {}).setdefault(labels, ([], []))
            times.append(now)
            values.append(value)

    def newest(self, chosen: Chosen) -> Vector:
        """The newest values; what the newest scrape does not have is gone."""
        return {labels: values[-1] for labels, (times, values) in self._of(chosen) if times[-1] == self.now}

    def within(self, back: float, chosen: Chosen) -> dict[Labels, list[tuple[float, float]]]:
        """The values of the last seconds."""
        found = {}
        for labels, (times, values) in self._of(chosen):
            first = bisect_right(times, self.now - back)
            if first < len(times):
                found[labels] = list(zip(times[first:], values[first:], strict=True))
        return found

    def _of(self, chosen: Chosen) -> Iterator[tuple[Labels, tuple[list[float], list[float]]]]:
        return ((labels, one) for labels, one in self._series.get(chosen.name, {}).items() if chosen.fits(labels))


@dataclass(frozen=True)
class Chosen:
    """A selector."""

    name: str
    matchers: Sequence[tuple[str, str, str]]

    def fits(self, labels: Labels) -> bool:
        """Whether it selects such a series of its name."""
        own = dict(labels)
        return all(self._holds(own.get(key, ""), how, what) for key, how, what in self.matchers)

    @staticmethod
    def _holds(value: str, how: str, what: str) -> bool:
        same = re.fullmatch(what, value) is not None if "~" in how else value == what
        return same != how.startswith("!")


class Query:
    """One expression over what was told, now."""

    def __init__(self, text: str, told: Told) -> None:
        self._words = _TOKEN.findall(text.strip())
        assert "".join(self._words) == re.sub(r"\s+", "", text), text  # nothing that this model does not know
        self._place, self._told = 0, told

    def vector(self) -> Vector:
        """What it selects."""
        found = self._either()
        assert self._place == len(self._words), self._words[self._place :]
        assert isinstance(found, dict)
        return found

    def _either(self) -> Vector | float:
        found = self._compared()
        while self._next("or"):
            other = self._compared()
            found = {**other, **found}  # type: ignore[dict-item] # `or` is for vectors
        return found

    def _compared(self) -> Vector | float:
        found = self._sum()
        if (sign := self._peek()) in _COMPARED:
            self._next(sign)
            most = self._sum()
            assert isinstance(found, dict)
            assert isinstance(most, float)
            return {labels: value for labels, value in found.items() if _COMPARED[sign](value, most)}
        return found

    def _sum(self) -> Vector | float:
        found = self._product()
        while self._next("-"):
            found = _both(found, self._product(), lambda a, b: a - b)
        return found

    def _product(self) -> Vector | float:
        found = self._one()
        while (sign := self._peek()) in {"*", "/"}:
            self._next(sign)
            found = _both(found, self._one(), _divided if sign == "/" else lambda a, b: a * b)
        return found

    def _one(self) -> Vector | float:
        word = self._take()
        if word[0].isdigit():
            return float(word)
        if word in {"sum", "max", "min"}:
            return self._aggregated({"sum": math.fsum, "max": max, "min": min}[word])
        if word in {"rate", "increase", "changes"}:
            return self._over_a_range(word)
        if self._peek() != "(":
            return self._told.newest(self._selector(word))
        self._take("(")
        found = self._called(word)
        self._take(")")
        return found

    def _called(self, word: str) -> Vector | float:
        if word == "time":
            return self._told.now
        if word == "absent":
            chosen = self._selector(self._take())
            told = frozenset((key, what) for key, how, what in chosen.matchers if how == "=")
            return {} if self._told.newest(chosen) else {told: 1.0}
        assert word == "histogram_quantile", word
        share = float(self._take())
        self._take(",")
        found = self._either()
        assert isinstance(found, dict)
        return _quantile(share, found)

    def _aggregated(self, join: Callable[[list[float]], float]) -> Vector:
        by = self._names() if self._next("by") else []
        self._take("(")
        values = self._either()
        self._take(")")
        assert isinstance(values, dict)
        groups: dict[Labels, list[float]] = {}
        for labels, value in values.items():
            groups.setdefault(frozenset(pair for pair in labels if pair[0] in by), []).append(value)
        return {labels: join(group) for labels, group in groups.items()}

    def _over_a_range(self, word: str) -> Vector:
        self._take("(")
        chosen = self._selector(self._take())
        self._take("[")
        back = seconds_of(self._take())
        self._take("]")
        self._take(")")
        series = self._told.within(back, chosen)
        if word == "changes":
            pairs = {labels: list(pairwise(one)) for labels, one in series.items()}
            return {labels: float(sum(a[1] != b[1] for a, b in two)) for labels, two in pairs.items()}
        risen = {
            labels: _rise(one, self._told.now - back, self._told.now) for labels, one in series.items() if len(one) > 1
        }
        return {labels: value / (back if word == "rate" else 1) for labels, value in risen.items()}

    def _selector(self, name: str) -> Chosen:
        matchers = []
        if self._next("{"):
            while not self._next("}"):
                matchers.append((self._take(), self._take(), self._take().strip('"')))
                self._next(",")
        return Chosen(name, matchers)

    def _names(self) -> list[str]:
        self._take("(")
        names = []
        while not self._next(")"):
            names.append(self._take())
            self._next(",")
        return names

    def _peek(self) -> str:
        return self._words[self._place] if self._place < len(self._words) else ""

    def _next(self, word: str) -> bool:
        here = self._peek() == word
        self._place += here
        return here

    def _take(self, word: str | None = None) -> str:
        found = self._peek()
        assert found
        assert word in {None, found}, (word, found)
        self._place += 1
        return found


def _both(left: Vector | float, right: Vector | float, how: Callable[[float, float], float]) -> Vector | float:
    """Vectors are joined where all labels are the same."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {labels: how(left[labels], right[labels]) for labels in left.keys() & right.keys()}
    if isinstance(left, dict):
        return {labels: how(value, right) for labels, value in left.items()}  # type: ignore[arg-type] # a number
    if isinstance(right, dict):
        return {labels: how(left, value) for labels, value in right.items()}
    return how(left, right)


def _divided(a: float, b: float) -> float:
    if b:
        return a / b
    return math.inf if a > 0 else math.nan


def _rise(samples: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """How far a counter rose between `begin` and `end`."""
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    resets = sum(a for (_, a), (_, b) in pairwise(samples) if b < a)
    rise, span = last - first + resets, last_at - first_at
    between, before, after = span / (len(samples) - 1), first_at - begin, end - last_at
    if rise > 0 and first >= 0:
        before = min(before, span * first / rise)  # no counter was ever below zero
    whole = span + sum(gap if gap < between * 1.1 else between / 2 for gap in (before, after))
    return rise * whole / span


def _quantile(share: float, buckets: Vector) -> Vector:
    """By linear interpolation within a bucket, as Prometheus does."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        rest = frozenset(pair for pair in labels if pair[0] != "le")
        groups.setdefault(rest, []).append((float(dict(labels)["le"]), count))
    return {labels: _within_bucket(share, sorted(group)) for labels, group in groups.items()}


def _within_bucket(share: float, buckets: Sequence[tuple[float, float]]) -> float:
    rank = share * buckets[-1][1]
    if not rank:
        return math.nan
    place = next(number for number, (_, count) in enumerate(buckets) if count >= rank)
    if place == len(buckets) - 1:
        return buckets[-2][0]
    low, below = buckets[place - 1] if place else (0.0, 0.0)
    high, count = buckets[place]
    return low + (high - low) * (rank - below) / (count - below)
