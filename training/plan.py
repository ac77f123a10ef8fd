"""Everything that is chosen or learned on the way to a bundle: settings, ranker, final factors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from recsys.amounts import amount
from training.basis import basis_of
from training.blend import Blend
from training.judging import Quality
from training.learning import fewer, ranker_rows
from training.parity import Native
from training.profiles import Effort
from training.ranker import TAUGHT
from training.settings import Settings
from training.snapshot import World
from training.tuning import Journal, Trial, judge_on, search
from training.windows import Examples

Tell = Callable[[str], None]

JUDGES: Final = 20  # examples, for settings to be chosen on them


@dataclass(frozen=True)
class Search:
    """How the settings are chosen.

    Args:
        settings: Given ones: no search; None: search.
        trials: At most; None: as the profile says.
        seconds: After which no further trial begins; None: no limit.
        journal: Where trials are kept, so that an interrupted search goes on; None: nowhere.
    """

    settings: Settings | None = None
    trials: int | None = None
    seconds: float | None = None
    journal: Path | None = None
    clock: Callable[[], float] = field(default=time.monotonic)


@dataclass(frozen=True, slots=True)
class Work:
    """What a fit works on.

    Args:
        world: What was bought.
        blocks: Examples, the newest last.
        until: Nothing dated on or after this day (since 1970) is used.
        effort: How much work to do.
        seed: Draws whatever is drawn.
    """

    world: World
    blocks: list[Examples]
    until: int
    effort: Effort
    seed: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings, and how they came about.

    Args:
        settings: What was chosen.
        trials: What was tried.
        warnings: Why nothing was, where something should have been.
    """

    settings: Settings
    trials: tuple[Trial, ...]
    warnings: tuple[str, ...] = ()


def choose(work: Work, asked: Search, tell: Tell = lambda _: None) -> Chosen:
    """Choose the factorization's settings on the newest block; with hardly any examples the profile's are taken."""
    start = work.effort.settings if asked.settings is None else asked.settings
    most = work.effort.trials if asked.trials is None else asked.trials
    if asked.settings is not None or most < 1:
        return Chosen(start, ())
    found = len(work.blocks[-1]) if work.blocks else 0
    if found < JUDGES:
        too_few = amount(found, "example of who came back is", "examples of who came back are")
        few = f"Settings are the profile's, not chosen: {too_few} too few, {JUDGES} would do"
        return Chosen(start, (), (few,))
    examples = _judges(work)
    basis = basis_of(work.world, examples, work.seed, work.effort.people)
    begun, journal = asked.clock(), Journal(asked.journal, basis)

    def go_on(made: int) -> bool:
        spent = asked.clock() - begun
        if made >= most or (asked.seconds is not None and spent >= asked.seconds):
            return False
        end = f" of {most}" if asked.seconds is None else f", {spent:.0f} of {asked.seconds:.0f} s"
        tell(f"trial {made + 1}{end}")
        return True

    judge = judge_on(work.world, examples, work.seed, work.effort.people)
    best, trials = search(judge, start.factorization, go_on=go_on, journal=journal, seed=work.seed)
    return Chosen(msgspec.structs.replace(start, factorization=best), tuple(trials))


def judged(work: Work, settings: Settings) -> Quality:
    """What settings reach on the examples that trials are judged on."""
    return judge_on(work.world, _judges(work), work.seed, work.effort.people)(settings.factorization)


def learn(work: Work, settings: Settings, tell: Tell = lambda _: None) -> Native:
    """Learn the ranker from all blocks, and the factors from everything before `until`."""
    tell("looking at examples")
    rows = ranker_rows(work.world, work.blocks, settings, work.effort, seed=work.seed)
    ranker = None
    if rows is not None:
        passes = (settings.ranker.seeds + TAUGHT * int(settings.ranker.distilled)) * settings.ranker.epochs
        done = iter(range(1, passes + 1))
        ranker = settings.ranker.estimator(work.seed)
        ranker.fit(
            *(rows.features, rows.bought, rows.weight),
            progress=lambda: tell(f"pass {next(done)} of {passes}"),
            blend=Blend.of(rows) if settings.ranker.distilled else None,
        )
    factorization = settings.factorization
    return Native(work.world.lens(factorization.estimator(work.seed), work.until, factorization.half_life), ranker)


def _judges(work: Work) -> Examples:
    """The examples that trials are judged on."""
    return fewer(work.blocks[-1], work.effort.judged, np.random.default_rng(work.seed))
