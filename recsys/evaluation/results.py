"""What `ranking` finds, as a document that outlives the run: `ranking.json`. It holds nothing about one person."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec

from recsys.contracts.manifest import Level, Sha256
from recsys.contracts.runs import RunModel, RunWindow, SplitKind, Task
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.segments import Segment

RANKING_FILE: Final = "ranking.json"


class JudgedRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was judged."""

    candidate: str  # the bundle's name and version, or the recipe
    bundle: Sha256 | None  # of a bundle: SHA-256 of its signed manifest, which names the hash of every file of it
    until: dt.date | None  # of a bundle: it has seen nothing dated on or after it
    level: Level
    split: SplitKind
    k: int
    models: tuple[RunModel, ...]

    @property
    def name(self) -> str:
        """The candidate's name among the models."""
        return next(model.name for model in self.models if model.role == "candidate")


class JudgedWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One window, and what of it could not be judged."""

    window: RunWindow
    days_covered: int
    items: int
    new_subjects: int
    unknown_items: int
    unknown_share: float


class JudgedPurchases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which purchases it was judged on."""

    fingerprint: str
    domain: str
    epoch: str
    consent: Literal["assumed"] = "assumed"  # no subjects file: the caller's word that these people agreed
    lines: int
    first_day: dt.date
    last_day: dt.date


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of one model at one task; `window` null: the mean over the windows."""

    window: str | None
    task: Task
    segment: Segment
    model: str
    metric: str
    subjects: int  # over several windows: different ones
    estimate: Estimate


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The candidate minus a baseline on the same subjects; `relative` is by the baseline's mean, null where that is 0.

    `p` is two-sided; `holm` is `p` corrected for all baselines and tasks of the same window, segment and metric.
    """

    window: str | None
    task: Task
    segment: Segment
    baseline: str
    metric: str
    subjects: int
    estimate: Estimate
    relative: float | None
    p: float
    holm: float


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of the items that a model shows to somebody; `window` null: the mean over the windows."""

    window: str | None
    task: Task
    model: str
    share: float


class RankingResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`ranking.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^ranking/3$")] = "ranking/3"
    run: JudgedRun
    purchases: JudgedPurchases
    windows: tuple[JudgedWindow, ...]
    seed: int
    resamples: int
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    coverage: tuple[Coverage, ...]
