"""Settings under a name, so that nobody has to turn knobs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from training.settings import FactorizationSettings, RankerSettings, Settings

MIN_BUYERS: Final = 5  # k of design.md 6


class Profile(StrEnum):
    """How much work goes into a fit."""

    TEST = "test"  # seconds, for tests only
    DEFAULT = "default"  # minutes
    LARGE = "large"  # for 10 million rows and more


@dataclass(frozen=True, slots=True)
class Effort:
    """The work of a profile.

    Args:
        settings: Where the search starts.
        trials: Settings that are tried at most.
        judged: Examples of the newest block that trials are judged on, at most.
        learned: Examples of a block that the ranker learns from, at most.
        rows: Rows that the ranker learns from, at most.
        people: Whom the factors of a trial are learned from, at most; None: everyone. The regularisation is a share of
            what is noise in data of that size: what serves many serves all.
    """

    settings: Settings
    trials: int
    judged: int
    learned: int
    rows: int
    people: int | None = None


EFFORTS: Final = {
    Profile.TEST: Effort(
        Settings(
            factorization=FactorizationSettings(factors=16, iterations=6),
            ranker=RankerSettings(hidden=(16, 8), seeds=1, epochs=10, resample=40_000, distilled=False),
        ),
        trials=0,
        judged=200,
        learned=200,
        rows=200_000,
    ),
    Profile.DEFAULT: Effort(Settings(), trials=19, judged=1_500, learned=2_500, rows=4_000_000),
    Profile.LARGE: Effort(
        Settings(factorization=FactorizationSettings(factors=64)),
        trials=8,
        judged=3_000,
        learned=5_000,  # of 7 blocks, each looked at twice: more rows than are kept
        rows=4_000_000,  # a network sees 3.6 million, the same one twice now and then
        people=50_000,  # half of what ten million lines hold: the trials take half of the time
    ),
}
