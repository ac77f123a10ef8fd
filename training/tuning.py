"""The search for the factorization's settings: one coordinate after the other, judged on the newest examples.

Objective: NDCG@10 of the folded-in scores on what is new to a person, since what they bought before is ranked by other
features (docs/adr/0025); where it is equal, on everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from recsys.files import explained
from training.factorize import Transform
from training.features.aggregate import aggregate
from training.features.assemble import folded
from training.judging import Quality, Scored, quality
from training.settings import FactorizationSettings
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
_BATCH: Final = 256


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings, and what they reached."""

    settings: FactorizationSettings
    quality: Quality

    @property
    def merit(self) -> tuple[float, float]:
        """What trials are compared by."""
        return self.quality.novel, self.quality.mixed


class Journal:
    """Trials on disk, so that an interrupted search goes on where it was. One line of JSON a trial.

    Args:
        path: The file; None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[FactorizationSettings, Trial] = {}
        if path is not None and path.is_file():
            for line in path.read_bytes().splitlines():
                try:
                    trial = msgspec.json.decode(line, type=Trial)
                except msgspec.DecodeError:
                    break  # the line that was being written
                self._known[trial.settings] = trial

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
                file.write(msgspec.json.encode(trial) + b"\n")


def search(
    judge: Callable[[FactorizationSettings], Quality],
    start: FactorizationSettings,
    *,
    go_on: Callable[[int], bool],
    journal: Journal,
) -> tuple[FactorizationSettings, list[Trial]]:
    """Try settings until all were tried or `go_on`, asked with the number of trials, says no.

    Returns:
        The best settings, and all trials in their order.

    Raises:
        OutputError: The journal cannot be written.
    """
    trials: list[Trial] = []

    def tried(settings: FactorizationSettings) -> Trial:
        trial = journal.find(settings)
        if trial is None:
            trial = Trial(settings, judge(settings))
            journal.add(trial)
        trials.append(trial)
        return trial

    best = tried(start)
    for name, values in (*_COORDINATES, *((name, ()) for name in _REFINED)):
        for value in values or tuple(getattr(best.settings, name) * factor for factor in _FINER):
            changed = msgspec.structs.replace(best.settings, **{name: value})
            if any(trial.settings == changed for trial in trials):
                continue
            if not go_on(len(trials)):
                return best.settings, trials
            trial = tried(changed)
            best = max(best, trial, key=lambda one: one.merit)
    return best.settings, trials


def judge_on(world: World, examples: Examples, seed: int) -> Callable[[FactorizationSettings], Quality]:
    """Judges settings by the folded-in scores on examples; factors are learned from before all of them."""
    there = world.there(examples.start)

    def batches(settings: FactorizationSettings) -> Iterator[Scored]:
        lens = world.lens(settings.estimator(seed), examples.start, settings.half_life)
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
