"""Everything that is chosen or learned on the way to a bundle, in order: settings, privacy, ranker, final factors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from recsys.errors import BundleError
from training.basis import basis_of
from training.blend import Blend
from training.learning import fewer, ranker_rows
from training.membership import BAR, SUBJECTS, attack_auc
from training.parity import Native
from training.profiles import Effort
from training.ranker import TAUGHT
from training.settings import FactorizationSettings, Settings
from training.snapshot import World
from training.tuning import Journal, Trial, judge_on, search
from training.windows import Examples

Tell = Callable[[str], None]

_RAISED: Final = 1.12  # times the regularisation, where members can be told
_RAISES: Final = 20


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
    """Settings, and how they came about."""

    settings: Settings
    trials: tuple[Trial, ...]


def choose(work: Work, asked: Search, tell: Tell = lambda _: None) -> Chosen:
    """Choose the factorization's settings on the newest block; without examples the profile's are taken."""
    start = asked.settings or work.effort.settings
    most = work.effort.trials if asked.trials is None else asked.trials
    if asked.settings is not None or not work.blocks or most < 1:
        return Chosen(start, ())
    examples = fewer(work.blocks[-1], work.effort.judged, np.random.default_rng(work.seed))
    begun, journal = asked.clock(), Journal(asked.journal, basis_of(work.world, examples, work.seed))

    def go_on(made: int) -> bool:
        spent = asked.clock() - begun
        if made >= most or (asked.seconds is not None and spent >= asked.seconds):
            return False
        end = f" of {most}" if asked.seconds is None else f", {spent:.0f} of {asked.seconds:.0f} s"
        tell(f"trial {made + 1}{end}")
        return True

    judge = judge_on(work.world, examples, work.seed)
    best, trials = search(judge, start.factorization, go_on=go_on, journal=journal, seed=work.seed)
    return Chosen(msgspec.structs.replace(start, factorization=best), tuple(trials))


def kept_private(work: Work, settings: Settings, tell: Tell = lambda _: None) -> tuple[Settings, dict[str, float]]:
    """Raise the regularisation until members can not be told from others; the figures for the manifest.

    Below 1,000 subjects the figure is told and not acted on: it would be mostly noise.

    Raises:
        BundleError: No regularisation that was tried hides them.
    """
    factorization = settings.factorization
    half_life = None if factorization.half_life is None else factorization.half_life * work.world.tau
    counts = work.world.record.counts(work.until, half_life=half_life)
    counts = counts[np.flatnonzero(np.diff(counts.indptr))]
    for raised in range(_RAISES + 1):
        tell(f"regularisation {factorization.regularization:.2f}")
        auc = attack_auc(factorization.estimator(work.seed), counts, seed=work.seed)
        if counts.shape[0] < SUBJECTS or auc <= BAR:
            figures = {"membership_auc": auc, "regularization_raised": float(raised)}
            return msgspec.structs.replace(settings, factorization=factorization), figures
        factorization = _stronger(factorization)
    raise BundleError(
        f"whoever holds a history can tell whether it was learned from (AUC {auc:.3f}, at most {BAR} is allowed)",
        where="the factorization",
        mend="Learn from more subjects, or at a coarser --level",
    )


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


def _stronger(factorization: FactorizationSettings) -> FactorizationSettings:
    return msgspec.structs.replace(factorization, regularization=factorization.regularization * _RAISED)
