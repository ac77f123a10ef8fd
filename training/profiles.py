"""Settings under a name, so that nobody has to turn knobs: one that is good, one that is quick and only for tests."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from training.factorize import Factorization

MIN_BUYERS: Final = 5  # k of design.md 6


class Profile(StrEnum):
    """How much work goes into a fit."""

    TEST = "test"
    DEFAULT = "default"


def factorization(profile: Profile, *, seed: int) -> Factorization:
    """The factorization of a profile. The defaults of `Factorization` are the ones chosen in docs/adr/0002."""
    if profile is Profile.TEST:
        return Factorization(factors=16, iterations=6, random_state=seed)
    return Factorization(random_state=seed)
