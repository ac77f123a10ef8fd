"""What `ranking` finds, as a document that outlives the run: `ranking.json`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec

from recsys.contracts.manifest import Level
from recsys.evaluation.comparison import Task
from recsys.evaluation.intervals import Estimate

BUNDLE: Final = "bundle"  # among the models: the one that is judged; the others are what it is held against
POPULARITY: Final = "popularity"
GP_POP: Final = "gp-pop"


class JudgedBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which bundle was judged."""

    version: str
    until: dt.date
    level: Level
    items: int


class JudgedPurchases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which purchases it was judged on, and what of them could not be judged."""

    fingerprint: str
    domain: str
    epoch: str
    consent: Literal["assumed"] = "assumed"  # no subjects file: the caller's word that these people agreed
    lines: int
    first_day: dt.date
    last_day: dt.date
    days_covered: int  # of the window
    subjects_without_history: int
    unknown_items: int
    unknown_share: float


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of one model at one task."""

    task: Task
    model: str
    metric: str
    subjects: int
    estimate: Estimate


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bundle minus a baseline, on the same subjects; `relative` is by the baseline's mean, null where that is 0."""

    task: Task
    baseline: str
    metric: str
    subjects: int
    estimate: Estimate
    relative: float | None


class GroupFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """NDCG of one model among the subjects with `from_days` to `to_days` shopping days before the window."""

    task: Task
    model: str
    from_days: int
    to_days: int
    subjects: int
    estimate: Estimate


class RankingResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`ranking.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^ranking/1$")] = "ranking/1"
    bundle: JudgedBundle
    purchases: JudgedPurchases
    as_of: dt.date
    horizon: int
    k: int
    seed: int
    resamples: int
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    by_history: tuple[GroupFigure, ...]
