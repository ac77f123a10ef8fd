"""Assignments: who was in which arm from when on, as the exported decisions tell it. One trial, or the whole log."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recsys.arms import Arm
from recsys.errors import UsageError

_OWN = (Arm.PERSONAL.value, Arm.CHALLENGER.value)


@dataclass(frozen=True, slots=True)
class Assignments:
    """Decisions that belong together.

    Args:
        decisions: In the contract of decisions, with `arm_share` and `trial`, null where the log does not tell.
        trial: The trial that all of them were made in; None: the whole log, and whoever has a list of their own is in
            the arm `personal`, whichever bundle made it.
        others: Trials in the log that are left out.
    """

    decisions: pl.DataFrame
    trial: str | None
    others: tuple[str, ...]

    @property
    def first(self) -> pl.DataFrame:
        """Everybody's first decision: what assigned them."""
        return self.decisions.sort("at", "decision_id").group_by("subject", maintain_order=True).first()

    @property
    def bundles(self) -> dict[str, tuple[str, ...]]:
        """By arm, the bundles that decided, in the order of their first decision."""
        seen = self.decisions.sort("at", "decision_id").unique(
            ("arm", "model_version"), keep="first", maintain_order=True
        )
        found = {arm.value: tuple(seen.filter(pl.col("arm") == arm)["model_version"]) for arm in Arm}
        return {arm: versions for arm, versions in found.items() if versions}


def assignments(decisions: pl.DataFrame, *, trial: str | None = None, whole: bool = False) -> Assignments:
    """What to measure.

    Args:
        decisions: In the contract of decisions.
        trial: Which trial; None: the one that began last, or the whole log where there was none.
        whole: The whole log, trials or not.

    Raises:
        UsageError: There is no such trial in the log.
    """
    nothing = {"trial": pl.String(), "arm_share": pl.Float64()}
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in nothing.items() if name not in decisions.columns]
    told = decisions.with_columns(missing)
    trials = trials_of(told)
    if trial is not None and trial not in trials:
        known = ", ".join(trials) or "none"
        raise UsageError("names no trial of this log", where="--trial", mend=f"Trials in the log: {known}")
    if whole or not trials:
        return Assignments(_without_trials(told), None, ())
    chosen = trials[-1] if trial is None else trial
    others = tuple(other for other in trials if other != chosen)
    return Assignments(told.filter(pl.col("trial") == chosen), chosen, others)


def trials_of(decisions: pl.DataFrame) -> tuple[str, ...]:
    """The trials in the log, in the order in which they began."""
    began = decisions.drop_nulls("trial").group_by("trial").agg(pl.col("at").min()).sort("at", "trial")
    return tuple(began["trial"])


def _without_trials(told: pl.DataFrame) -> pl.DataFrame:
    """Both bundles' people as one arm, with the sum of their shares where both arms are there to tell them."""
    own = pl.col("arm").is_in(_OWN)
    sums = (
        told.filter(own & pl.col("trial").is_not_null())
        .group_by("policy_version", "arm")
        .agg(pl.col("arm_share").first())
        .group_by("policy_version")
        .agg(pl.when(pl.len() == len(_OWN)).then(pl.col("arm_share").sum()).alias("own_share"))
    )
    share = pl.when(own & pl.col("trial").is_not_null()).then(pl.col("own_share")).otherwise(pl.col("arm_share"))
    arm = pl.when(own).then(pl.lit(Arm.PERSONAL.value)).otherwise(pl.col("arm"))
    joined = told.join(sums, on="policy_version", how="left", maintain_order="left")
    return joined.with_columns(share.alias("arm_share"), arm.alias("arm")).drop("own_share")
