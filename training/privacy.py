"""Regularisation that is strong enough to hide who was learned from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from recsys.amounts import amount
from training.bars import BAR, SUBJECTS
from training.membership import Attack, attack
from training.plan import Tell, Work
from training.settings import Settings, rounded

_STEPS: Final = 20  # by so much, to lose as little of the factorization as may be
_STEP: Final = 1.12
_LEAPS: Final = 2  # and then by so much, to come to an end
_LEAP: Final = 2.5
_VANISHED: Final = 1e9  # all factors are zero


@dataclass(frozen=True, slots=True)
class Private:
    """Settings whose factors hide members.

    Args:
        settings: With a regularisation that may have been raised.
        figures: For the manifest.
        warnings: What that cost.
    """

    settings: Settings
    figures: dict[str, float]
    warnings: tuple[str, ...]


def kept_private(work: Work, settings: Settings, tell: Tell = lambda _: None) -> Private:
    """Raise the regularisation until members can not be told from others, to the very end if need be.

    Below 1,000 subjects the figure is told and not acted on: it would be mostly noise.
    """
    factorization = settings.factorization
    half_life = None if factorization.half_life is None else factorization.half_life * work.world.tau
    counts = work.world.record.counts(work.until, half_life=half_life)
    counts = counts[np.flatnonzero(np.diff(counts.indptr))]
    acted_on = counts.shape[0] >= SUBJECTS
    for raises, regularization in enumerate(_ladder(factorization.regularization)):
        tell(f"regularisation {regularization:.2f}, raised {amount(raises, 'time')}")
        stronger = msgspec.structs.replace(factorization, regularization=regularization)
        told = attack(stronger.estimator(work.seed), counts, seed=work.seed)
        if not acted_on or told.held <= BAR:
            break
    figures = {
        "membership_auc": told.held,
        "membership_auc_factors": told.factors,
        "membership_auc_popularity": told.popularity,
        "membership_auc_beyond": told.beyond,
        "regularization_raised": float(raises),
    }
    warnings = _warnings(told, raises, regularization) if acted_on else ()
    return Private(msgspec.structs.replace(settings, factorization=stronger), figures, warnings)


def _ladder(regularization: float) -> Iterator[float]:
    """The first is as asked, the last leaves nothing of the factors."""
    yield regularization
    for factor in (*[_STEP] * _STEPS, *[_LEAP] * _LEAPS):
        regularization = rounded(regularization * factor)
        yield regularization
    yield max(regularization, _VANISHED)


def _warnings(told: Attack, raises: int, regularization: float) -> tuple[str, ...]:
    warnings = []
    if raises > _STEPS:
        warnings.append(
            f"Who was learned from could be told until the regularisation was {regularization:.4g}: little or nothing "
            "may be left of the factorization. Learn from more subjects, or at a coarser --level"
        )
    if told.factors > BAR:
        warnings.append(
            f"Of so few people how often each item was bought tells who was counted (AUC {told.popularity:.3f}): its "
            f"statistics do, and factors that follow it (AUC {told.factors:.3f}; {told.held:.3f} beyond it)"
        )
    return tuple(warnings)
