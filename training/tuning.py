"""The search for the factorization's settings: one coordinate after the other, then around the best of them.

Objective: NDCG@10 of the folded-in scores on the newest examples, on what is new to a person, since what they bought
before is ranked by other features (docs/adr/0025); where it is equal, on everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from recsys.files import explained
from training.factorize import Transform
from training.features.aggregate import aggregate
from training.features.assemble import folded
from training.judging import Quality, Scored, quality
from training.settings import FactorizationSettings, rounded
from training.snapshot import World
from training.windows import Examples

_COORDINATES: Final = (
    ("regularization", (0.3, 1.0, 2.0)),
    ("alpha", (0.1, 0.4, 4.0, 16.0)),
    ("transform", (Transform.BINARY, Transform.SQRT, Transform.RAW)),
    ("decay", (8.0, 2.0)),
    ("factors", (64, 32)),
)
_REFINED: Final = ("regularization", "alpha")  # in the end, around what is best by then
_FINER: Final = (0.7, 1.4)
_WIDER: Final = (("factors", 256), ("decay", 0.5), ("factors", 96))  # where the budget allows for more
_PARENTS: Final = 5  # trials that count as the best ones
_STRAYING: Final = 0.2  # how often a part is of any trial
_STEP: Final = 0.2  # of the logarithm
_RANGES: Final = {"regularization": (0.1, 20.0), "alpha": (0.02, 50.0)}  # that draws stay within
_BATCH: Final = 256


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings, and what they reached."""

    settings: FactorizationSettings
    quality: Quality

    @property
    def merit(self) -> tuple[float, float]:
        """What trials are compared by."""
        return self.quality.novel, self.quality.mixed


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    basis: str
    trial: Trial


class Journal:
    """Trials on disk, so that an interrupted search goes on where it was. One line of JSON a trial.

    Args:
        path: The file; None: nothing is kept.
        basis: What the trials depend on (`training.basis`); those that depended on anything else are passed over.
    """

    def __init__(self, path: Path | None, basis: str) -> None:
        self._path, self._basis = path, basis
        self._known: dict[FactorizationSettings, Trial] = {}
        if path is not None and path.is_file():
            for raw in path.read_bytes().splitlines():
                try:
                    line = msgspec.json.decode(raw, type=_Line)
                except msgspec.DecodeError:
                    continue  # one that was being written when the search ended
                if line.basis == basis:
                    self._known[line.trial.settings] = line.trial

    def find(self, settings: FactorizationSettings) -> Trial | None:
        """The trial of these settings, if it was made."""
        return self._known.get(settings)

    def add(self, trial: Trial) -> None:
        """Keep a trial."""
        self._known[trial.settings] = trial
        if self._path is None:
            return
        with explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(b"\n" + msgspec.json.encode(_Line(self._basis, trial)))  # a line cut off spoils no other


def search(
    judge: Callable[[FactorizationSettings], Quality],
    start: FactorizationSettings,
    *,
    go_on: Callable[[int], bool],
    journal: Journal,
    seed: int,
) -> tuple[FactorizationSettings, list[Trial]]:
    """Try settings until `go_on`, asked with the number of trials, says no: there is always something left to try.

    The same judge, start and seed give the same trials in the same order, whatever their number.

    Returns:
        The best settings, and all trials in their order.

    Raises:
        OutputError: The journal cannot be written.
    """
    made: dict[FactorizationSettings, Trial] = {}
    for settings in _proposals(start, made, np.random.default_rng(seed)):
        if settings in made:
            continue
        if made and not go_on(len(made)):
            break
        trial = journal.find(settings)
        if trial is None:
            trial = Trial(settings, judge(settings))
            journal.add(trial)
        made[settings] = trial
    return _best(made), list(made.values())


def _proposals(
    start: FactorizationSettings, made: Mapping[FactorizationSettings, Trial], rng: np.random.Generator
) -> Iterator[FactorizationSettings]:
    """What to try next in the light of what was `made` by then: coordinates, what lies beside them, then draws."""
    yield start
    for name, values in _COORDINATES:
        for value in values:
            yield msgspec.structs.replace(_best(made), **{name: value})
    for name in _REFINED:
        centre = getattr(_best(made), name)
        for factor in _FINER:
            yield msgspec.structs.replace(_best(made), **{name: rounded(centre * factor)})
    for name, value in _WIDER:
        yield msgspec.structs.replace(_best(made), **{name: value})
    while True:
        yield _drawn(list(made.values()), rng)


def _drawn(made: list[Trial], rng: np.random.Generator) -> FactorizationSettings:
    """Each part is that of one of the best trials, or now and then of any; what is continuous moves a little."""
    best = heapq.nlargest(_PARENTS, made, key=lambda trial: trial.merit)
    parts: dict[str, Any] = {}
    for name, _ in _COORDINATES:
        among = made if rng.random() < _STRAYING else best
        parts[name] = getattr(among[rng.integers(len(among))].settings, name)
    for name, (least, most) in _RANGES.items():
        moved = parts[name] * np.exp(_STEP * rng.standard_normal())
        parts[name] = rounded(float(np.clip(moved, least, most)))
    return msgspec.structs.replace(best[0].settings, **parts)


def _best(made: Mapping[FactorizationSettings, Trial]) -> FactorizationSettings:
    return max(made.values(), key=lambda trial: trial.merit).settings


def judge_on(
    world: World, examples: Examples, seed: int, learners: int | None = None
) -> Callable[[FactorizationSettings], Quality]:
    """Judges settings by the folded-in scores on examples; factors are learned from before all of them.

    Args:
        world: What was bought.
        examples: Who is judged on.
        seed: Of the factors.
        learners: How many factors are learned from at most; None: everyone.
    """
    there = world.there(examples.start)

    def batches(settings: FactorizationSettings) -> Iterator[Scored]:
        lens = world.lens(settings.estimator(seed), examples.start, settings.half_life, learners)
        for start in range(0, len(examples), _BATCH):
            some = examples.take(np.arange(start, min(start + _BATCH, len(examples))))
            histories = world.histories(some.subject, some.day)
            people, _ = folded(lens.fold, histories, aggregate(histories, lens.tau))
            relevant = np.zeros((len(some), len(there) + 1), np.bool_)
            relevant[some.targets.owners, some.targets.values] = True
            bought = np.zeros_like(relevant)
            np.put_along_axis(bought, histories.items, values=True, axis=1)
            scores = people @ lens.fold.item_factors.T
            everything = np.broadcast_to(there, scores.shape)
            yield scores, relevant[:, :-1] & there, bought[:, :-1], everything

    return lambda settings: quality(batches(settings))
