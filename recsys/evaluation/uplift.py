"""Uplift: what the arms bought after they were assigned, held against each other.

By intention to treat: a person belongs to the arm of their first decision in the log, whatever came of it, and all that
they did from then on counts. People who were assigned by chance and differ in nothing else differ by what the arm did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.arms import Arm
from recsys.errors import ContractError
from recsys.evaluation.assignments import Assignments
from recsys.evaluation.intervals import RESAMPLES, Estimate, estimates, resampled_columns
from recsys.evaluation.lazily import lazily

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = lazily("scipy.stats")

METRICS: Final = ("buyers", "purchases", "redemptions", "spend")
SUSPICIOUS: Final = 0.001  # a sample ratio less likely than this is no accident
PAIRS: Final = (
    (Arm.CHALLENGER, Arm.PERSONAL),
    (Arm.PERSONAL, Arm.EMPTY),
    (Arm.PERSONAL, Arm.POPULAR),
    (Arm.CHALLENGER, Arm.EMPTY),
    (Arm.CHALLENGER, Arm.POPULAR),
    (Arm.POPULAR, Arm.EMPTY),
)


class ArmFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of one arm: its mean over the arm's subjects."""

    arm: str
    metric: str
    subjects: int
    estimate: Estimate


class Uplift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of an arm minus that of another; `relative` is by the other's mean, null where that is 0."""

    arm: str
    against: str
    metric: str
    estimate: Estimate
    relative: float | None


class SampleRatio(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the arms have as many people as the policy meant them to have.

    Pearson's chi-square over the policies in the log; `p` is null where the log does not hold the shares. A `p` below
    .001 means that people got lost in one arm, and that no figure here can be trusted.
    """

    observed: dict[str, int]
    expected: dict[str, float]
    p: float | None
    suspicious: bool


class UpliftResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`uplift.json`. `trial`: which trial of another bundle was measured; null: the whole log, by the holdout."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^uplift/1$")] = "uplift/1"
    trial: str | None
    bundles: dict[str, tuple[str, ...]]  # by arm, those that decided
    since: dt.datetime
    until: dt.datetime
    subjects: int
    switched: int  # seen in another arm than their first: counted there all the same
    ratio: SampleRatio
    arms: tuple[ArmFigure, ...]
    uplifts: tuple[Uplift, ...]
    days: int | None
    seed: int
    resamples: int = RESAMPLES


@dataclass(frozen=True, slots=True)
class _Arms:
    """Outcomes by arm.

    Args:
        metrics: M names.
        values: For each arm that anybody is in, float64 [S, M].
    """

    metrics: tuple[str, ...]
    values: dict[Arm, NDArray[np.float64]]


def measure_uplift(assigned: Assignments, events: pl.DataFrame, *, days: int | None, seed: int) -> UpliftResult:
    """Hold the arms against each other.

    Args:
        assigned: Who was in which arm.
        events: In the contract of events.
        days: How long after the first decision events count; None: to the end of the log.
        seed: Of the resamples.

    Raises:
        ContractError: Nobody is in an arm to hold against another.
    """
    decisions, first = assigned.decisions, assigned.first
    arms = _outcomes(first, events, days)
    if len(arms.values) < 2:  # noqa: PLR2004 - it takes two
        raise ContractError(
            "hold one arm only",
            where="--decisions",
            mend="Serve with a [holdout] or a [trial] in the policy, then export again",
        )
    rng = np.random.default_rng(seed)
    resampled = {arm: resampled_columns(values, rng) for arm, values in arms.values.items()}
    several = decisions.group_by("subject").agg(pl.col("arm").n_unique()).filter(pl.col("arm") > 1)
    return UpliftResult(
        trial=assigned.trial,
        bundles=assigned.bundles,
        since=decisions.select(pl.col("at").min()).item(),
        until=pl.concat([decisions.select("at"), events.select("at")]).select(pl.col("at").max()).item(),
        subjects=len(first),
        switched=len(several),
        ratio=sample_ratio(first),
        arms=tuple(_figures(arms, resampled)),
        uplifts=tuple(_uplifts(arms, resampled)),
        days=days,
        seed=seed,
    )


def sample_ratio(first: pl.DataFrame) -> SampleRatio:
    """Compare the arms' sizes with the policy's shares.

    Args:
        first: Everybody's first decision; `arm_share` is the probability with which the policy assigned that arm.
    """
    possible = [arm for arm in Arm if arm is not Arm.CHALLENGER or not first["trial"].is_null().all()]
    counts = {arm.value: int((first["arm"] == arm.value).sum()) for arm in possible}
    if first["arm_share"].null_count() == len(first):
        return SampleRatio(observed=counts, expected={}, p=None, suspicious=False)
    statistic, freedom, expected = 0.0, 0, dict.fromkeys(counts, 0.0)
    for _, part in first.drop_nulls("arm_share").group_by("policy_version", maintain_order=True):
        shares = _shares(part, possible)
        for arm, share in shares.items():
            wanted = share * len(part)
            expected[arm] += wanted
            statistic += (len(part.filter(pl.col("arm") == arm)) - wanted) ** 2 / wanted
        freedom += len(shares) - 1
    p = float(stats.chi2.sf(statistic, freedom)) if freedom else None
    return SampleRatio(observed=counts, expected=expected, p=p, suspicious=p is not None and p < SUSPICIOUS)


def _shares(part: pl.DataFrame, possible: Sequence[Arm]) -> dict[str, float]:
    """The shares of one policy's arms; an arm that nobody is in has what the others leave."""
    known = part.group_by("arm", maintain_order=True).agg(pl.col("arm_share").first())
    shares = {arm: float(share) for arm, share in known.iter_rows()}
    left = 1.0 - sum(shares.values())
    missing = [arm.value for arm in possible if arm.value not in shares]
    if missing and left > np.finfo(np.float32).eps:
        shares[Arm.CHALLENGER.value if Arm.CHALLENGER.value in missing else missing[0]] = left
    return {arm: share for arm, share in shares.items() if share > 0}


def _outcomes(first: pl.DataFrame, events: pl.DataFrame, days: int | None) -> _Arms:
    assigned = first.select("subject", "arm", pl.col("at").alias("assigned"))
    later = events.join(assigned.select("subject", "assigned"), on="subject").filter(pl.col("at") >= pl.col("assigned"))
    if days is not None:
        later = later.filter(pl.col("at") < pl.col("assigned") + dt.timedelta(days=days))
    kind = pl.col("type")
    sums = [
        (kind == "purchase").any().cast(pl.Float64).alias("buyers"),
        (kind == "purchase").sum().cast(pl.Float64).alias("purchases"),
    ]
    if (later["type"] == "redemption").any():
        sums.append((kind == "redemption").sum().cast(pl.Float64).alias("redemptions"))
    if "value" in later.columns and later["value"].null_count() < len(later):
        sign = pl.when(kind == "purchase").then(1.0).when(kind == "return").then(-1.0).otherwise(0.0)
        sums.append((pl.col("value").fill_null(0.0) * sign).sum().alias("spend"))
    done = assigned.join(later.group_by("subject").agg(sums), on="subject", how="left").fill_null(0.0)
    metrics = tuple(name for name in METRICS if name in done.columns)
    by_arm = {arm: done.filter(pl.col("arm") == arm.value).select(metrics).to_numpy() for arm in Arm}
    return _Arms(metrics, {arm: values for arm, values in by_arm.items() if len(values)})


def _figures(arms: _Arms, resampled: dict[Arm, NDArray[np.float64]]) -> list[ArmFigure]:
    return [
        ArmFigure(arm=arm.value, metric=metric, subjects=len(values), estimate=estimate)
        for arm, values in arms.values.items()
        for metric, estimate in zip(arms.metrics, estimates(values.mean(axis=0), resampled[arm]), strict=True)
    ]


def _uplifts(arms: _Arms, resampled: dict[Arm, NDArray[np.float64]]) -> list[Uplift]:
    """Differences of means; each arm is drawn by itself, since its people are others."""
    uplifts = []
    for arm, against in PAIRS:
        if arm in resampled and against in resampled:
            means, others = arms.values[arm].mean(axis=0), arms.values[against].mean(axis=0)
            found = estimates(means - others, resampled[arm] - resampled[against])
            for metric, estimate, other in zip(arms.metrics, found, others.tolist(), strict=True):
                relative = estimate.mean / other if other else None
                uplifts.append(
                    Uplift(arm=arm.value, against=against.value, metric=metric, estimate=estimate, relative=relative)
                )
    return uplifts
