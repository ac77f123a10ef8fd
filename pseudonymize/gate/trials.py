"""Trying settings out: how far each gives people away, how much it still says, and which would pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.histories import Held, Histories, Postings, held, kept, postings
from pseudonymize.gate.labels import Labels, labels_of
from pseudonymize.gate.lines import Lines
from pseudonymize.gate.linkage import linkage
from pseudonymize.gate.settings import Days, GateSettings, Keep, Level, Setting
from pseudonymize.gate.unicity import unicity

MOST: Final = (1, 2, 3, 4, 6, 8, 12, 16)  # points of a subject that the search tries
_SEARCHED: Final = 20_000  # subjects that the search looks at: among fewer, each is easier to find
_TENTH: Final = 0.1


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting came to. `bits`: what is said of a subject on average, -log2(a point's share) a point."""

    setting: Setting
    subjects: int
    points: int
    bits: float
    unique: Estimate
    linked: Estimate

    def passes(self, limit: float) -> bool:
        """Whether both are within the limit, by their upper ends, and somebody is in it."""
        return self.subjects > 0 and self.unique.high <= limit and self.linked.high <= limit


@dataclass(frozen=True, slots=True)
class Tries:
    """How many subjects are tried at most, for each measure."""

    unicity: int
    linkage: int


THOROUGH: Final = Tries(10_000, 3_000)
_QUICK: Final = Tries(2_000, 500)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is tried on.

    Args:
        lines: What would be released.
        own: What the attacker has under other tokens.
        truth: For each of the lines' people, their place among the attacker's; -1 where they are not there.
        paths: A catalogue's `item` and `category`, for levels above the item.
        settings: Of the gate.
        seed: Of what is drawn to measure; what is drawn to be released has another.
    """

    lines: Lines
    own: Lines
    truth: NDArray[np.int64]
    paths: pl.DataFrame | None
    settings: GateSettings
    seed: int = 0

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those that can be tried."""
        return tuple(Level) if self.paths is not None else (Level.ITEM,)


def same_ground(lines: Lines, paths: pl.DataFrame | None, settings: GateSettings) -> Ground:
    """Where the attacker has the very purchases that would be released: the worst that can be."""
    return Ground(lines, lines, np.arange(len(lines.people)), paths, settings)


class Trials:
    """Measures settings; what those of one level and exactness have in common is made once."""

    def __init__(self, ground: Ground, tries: Tries) -> None:
        self.ground = ground
        self._tries = tries
        self._common: tuple[tuple[Level, Days], _Common] | None = None

    def trial(self, setting: Setting, rng: np.random.Generator) -> tuple[Trial, Histories]:
        """Draw a release by `rng` and attack it."""
        common = self._of(setting)
        released = kept(common.held, setting, k=self.ground.settings.k, rng=rng)
        return self.attacked(released, setting), released

    def attacked(self, released: Histories, setting: Setting) -> Trial:
        """Attack histories that were made by `setting`."""
        rng = np.random.default_rng(self.ground.seed)
        by_point, wanted = postings(released), self.ground.settings
        unique = unicity(released, by_point, known=wanted.known, k=wanted.k, most=self._tries.unicity, rng=rng).unique
        tried = np.arange(len(released))
        if len(tried) > self._tries.linkage:
            tried = rng.choice(len(tried), self._tries.linkage, replace=False)
        counts = by_point.counts
        entries = max(len(released.points), 1)
        said = float((counts * -np.log2(np.maximum(counts, 1) / entries)).sum())
        return Trial(
            setting=setting,
            subjects=len(released),
            points=len(released.points),
            bits=said / max(len(self.ground.lines.people), 1),
            unique=unique,
            linked=self._linked(released, setting, tried),
        )

    def labels(self, level: Level) -> Labels:
        """The labels of the released items, as they are numbered in the histories."""
        return self._labels(level)[0]

    def _linked(self, released: Histories, setting: Setting, tried: NDArray[np.int64]) -> Estimate:
        """By the attacker's whole histories, and by shortened ones where the attacker can shorten them alike."""
        common, limit = self._of(setting), self.ground.settings.external.limit
        attacks = [(common.own, common.own_by_point)]
        if setting.keep is Keep.LAST:
            rng = np.random.default_rng(self.ground.seed)
            shortened = kept(common.own_held, setting, k=1, rng=rng)
            attacks.append((shortened, postings(shortened)))
        found = []
        for own, own_by_point in attacks:
            truth = _number(self.ground.truth[released.subjects], own.subjects)
            found.append(linkage(released, own, own_by_point, truth, tried=tried, limit=limit))
        return max(found, key=lambda estimate: estimate.share)

    def _of(self, setting: Setting) -> _Common:
        key = (setting.level, setting.days)
        if self._common is None or self._common[0] != key:
            self._common = None  # so that two are never in memory
            labels, own_labels = self._labels(setting.level)
            mine = held(self.ground.lines, labels, setting.days, latest=True)
            same = self.ground.own is self.ground.lines
            theirs = mine if same else held(self.ground.own, own_labels, setting.days, latest=True)
            own = kept(theirs, Setting(), k=1, rng=np.random.default_rng(0))
            self._common = key, _Common(mine, theirs, own, postings(own))
        return self._common[1]

    def _labels(self, level: Level) -> tuple[Labels, Labels]:
        """Labels of both, numbered alike."""
        ground = self.ground
        mine = labels_of(ground.lines.items, level, ground.paths)
        if ground.own is ground.lines:
            return mine, mine
        theirs = labels_of(ground.own.items, level, ground.paths)
        names = pl.concat([mine.names, theirs.names]).unique().sort()
        return mine.among(names), theirs.among(names)


@dataclass(frozen=True, slots=True)
class _Common:
    held: Held
    own_held: Held
    own: Histories
    own_by_point: Postings


def single_steps(ground: Ground) -> list[Trial]:
    """What each kind of step does by itself: nothing, then days, levels, truncation and sampling alone."""
    steps = [Setting()]
    steps += [Setting(days=days) for days in (Days.WEEK, Days.NONE)]
    steps += [Setting(level=level) for level in (Level.CATEGORY, Level.DEPARTMENT) if level in ground.levels]
    steps += [Setting(keep=keep, most=ground.settings.known) for keep in (Keep.LAST, Keep.SAMPLE)]
    steps += [Setting(subjects=_TENTH)]
    trials = Trials(_some(ground), _QUICK)
    return [trials.trial(setting, np.random.default_rng(ground.seed))[0] for setting in steps]


def search(ground: Ground) -> list[Trial]:
    """The settings that pass, the most telling first.

    Larger grounds are searched on 20,000 of their people, among whom each is easier to find; k shrinks with them.
    """
    trials, limit = Trials(_some(ground), _QUICK), ground.settings.external.limit
    passed = []
    for level, days in product(ground.levels, Days):
        for chain in _chains(level, days):
            for setting in chain:
                trial, _ = trials.trial(setting, np.random.default_rng(ground.seed))
                if trial.passes(limit):
                    passed.append(trial)
                if trial.linked.low > limit:
                    break  # with more points of each it is worse
    return sorted(passed, key=lambda trial: -trial.bits)


def _chains(level: Level, days: Days) -> Iterator[list[Setting]]:
    """Settings of which each says more than the one before."""
    whole = Setting(level, days)
    for keep in (Keep.SAMPLE, Keep.LAST):
        short = [Setting(level, days, keep, most) for most in MOST]
        yield [*short, whole] if keep is Keep.SAMPLE else short


def _some(ground: Ground) -> Ground:
    """The same with at most so many people, and k in proportion."""
    people = len(ground.lines.people)
    if people <= _SEARCHED:
        return ground
    lines = _first_people(ground.lines, _SEARCHED)
    k = max(1, round(ground.settings.k * _SEARCHED / people))
    settings = msgspec.structs.replace(ground.settings, k=k)
    if ground.own is ground.lines:
        return replace(same_ground(lines, ground.paths, settings), seed=ground.seed)
    return replace(ground, lines=lines, truth=ground.truth[:_SEARCHED], settings=settings)


def _first_people(lines: Lines, count: int) -> Lines:
    """People are in the order of a hash: the first are a random sample."""
    some = lines.subject < count
    return Lines(lines.people[:count], lines.items, lines.subject[some], lines.item[some], lines.day[some])


def _number(places: NDArray[np.int64], subjects: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the history of each place; -1 where there is none."""
    if not len(subjects):
        return np.full(len(places), -1)
    number = np.minimum(np.searchsorted(subjects, places), len(subjects) - 1)
    return np.where(subjects[number] == places, number, -1)
