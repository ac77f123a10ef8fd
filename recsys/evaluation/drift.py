"""Drift: whether what people buy, and how, has changed so much that a bundle should be learned again.

Two measures. The *population stability index* of two distributions over B bins is PSI = Σ (q - p)·ln(q / p). Below .1
it is usually called stable, above .25 changed (Siddiqi, "Credit Risk Scorecards", 2006); without drift it scatters as
χ²(B - 1)·(1/n + 1/m) (Yurdakul, 2018), so on little data a large one means nothing. The *Kolmogorov-Smirnov* distance
of two samples, one value a subject, is the largest difference between their cumulative distributions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.evaluation.lazily import lazily
from recsys.evaluation.splits import Window

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = lazily("scipy.stats")

STABLE: Final = 0.1  # of both measures
CHANGED: Final = 0.25
_SINGLE: Final = 50  # names that are bins of their own: the most bought
_TIERS: Final = 10  # of about equal weight, of all others
_QUANTILES: Final = 10
_CERTAIN: Final = 0.99  # of the scatter without drift
_SMOOTHING: Final = 0.5  # added to each bin's count: an empty one makes no infinite index


class Verdict(StrEnum):
    """What a measure says."""

    STABLE = "stable"
    SHIFTED = "shifted"
    CHANGED = "changed"


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that was compared.

    `psi` and `noise`: the index, and what it stays below in 99 of 100 cases without drift. `ks` and `p`: the distance
    and its p-value, null for what has no order. `n`: purchases or people in each period.
    """

    what: str
    psi: float
    noise: float
    ks: float | None
    p: float | None
    n: tuple[int, int]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Periods:
    """Purchase days of two periods: `subject, item, day, …`, one row each."""

    before: pl.DataFrame
    after: pl.DataFrame

    @classmethod
    def of(cls, daily: pl.DataFrame, first: dt.date, second: dt.date, horizon: int) -> Periods:
        """From all purchase days, `horizon` days from each of the two days on."""
        windows = (Window(first, horizon), Window(second, horizon))
        parts = (daily.filter(pl.col("day").is_between(window.as_of, window.end, closed="left")) for window in windows)
        return cls(*parts)


def of_names(what: str, before: pl.Series, after: pl.Series) -> Drift:
    """Compare how purchases fall on names: the 50 most bought of both periods, and ten tiers of all others.

    Bins by the first period alone would find drift where there is none: what stood high by chance falls back.
    """
    bins = _bins(pl.concat([before, after.rename(before.name)]))
    last = max(bins.values())
    old, new = (np.bincount(*_weighted(given, bins), minlength=last + 1) for given in (before, after))
    return _judged(what, old, new, None)


def of_values(what: str, before: NDArray[np.floating], after: NDArray[np.floating]) -> Drift:
    """Compare two samples, one value a subject: KS, and the index over the tenths of the first period."""
    edges = np.unique(np.quantile(before, np.arange(1, _QUANTILES) / _QUANTILES))
    old, new = (np.bincount(np.searchsorted(edges, given), minlength=len(edges) + 1) for given in (before, after))
    distance = stats.ks_2samp(before, after)
    return _judged(what, old, new, (float(distance.statistic), float(distance.pvalue)))


def shopping(periods: Periods) -> list[Drift]:
    """Rhythm: days between shopping days, and how much is bought on one, as each subject's mean."""
    found = []
    for what, value in (("days between shopping days", "gap"), ("different items a shopping day", "size")):
        old, new = (_rhythm(period)[value].drop_nulls().to_numpy() for period in (periods.before, periods.after))
        if min(len(old), len(new)) > 1:
            found.append(of_values(what, old, new))
    return found


def advice(found: Sequence[Drift]) -> tuple[Verdict, str]:
    """The strongest verdict, and whether to learn again."""
    for verdict, text in (
        (
            Verdict.CHANGED,
            "Learn again: {} changed. Judge the new bundle beside the one that serves before promoting it.",
        ),
        (Verdict.SHIFTED, "Watch: {} shifted. Judge the bundle that serves on the newest window."),
    ):
        named = [drift.what for drift in found if drift.verdict is verdict]
        if named:
            return verdict, text.format(", ".join(named))
    return Verdict.STABLE, "No need to learn again: nothing that was compared has shifted beyond chance."


def _bins(names: pl.Series) -> dict[str, int]:
    """The bin of each name."""
    ranked = _counts(names)
    tail = np.array([count for _, count in ranked[_SINGLE:]], np.int64)
    tier = _SINGLE + (_TIERS * (np.cumsum(tail) - tail)) // max(int(tail.sum()), 1)
    numbers = [*range(min(_SINGLE, len(ranked))), *tier.tolist()]
    return {name: number for (name, _), number in zip(ranked, numbers, strict=True)}


def _weighted(given: pl.Series, bins: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The bin of each name, and how often it stands there."""
    counts = _counts(given)
    return np.array([bins[name] for name, _ in counts]), np.array([count for _, count in counts])


def _counts(names: pl.Series) -> list[tuple[str, int]]:
    """How often each stands there, the most frequent first."""
    counted = names.rename("name").value_counts(name="count").sort(["count", "name"], descending=[True, False])
    return list(counted.iter_rows())


def _judged(what: str, old: NDArray[np.number], new: NDArray[np.number], distance: tuple[float, float] | None) -> Drift:
    n = (int(old.sum()), int(new.sum()))
    p, q = ((counts + _SMOOTHING) / (counts + _SMOOTHING).sum() for counts in (old, new))
    psi = float(((q - p) * np.log(q / p)).sum())
    noise = float(stats.chi2.ppf(_CERTAIN, max(len(old) - 1, 1)) * (1 / n[0] + 1 / n[1]))
    ks, chance = distance or (None, None)
    return Drift(what=what, psi=psi, noise=noise, ks=ks, p=chance, n=n, verdict=_verdict(psi, noise, ks, chance))


def _verdict(psi: float, noise: float, ks: float | None, chance: float | None) -> Verdict:
    """The stronger of the two measures, each only beyond chance."""
    sizes = [psi if psi > noise else 0.0]
    if ks is not None and chance is not None and chance < 1 - _CERTAIN:
        sizes.append(ks)
    largest = max(sizes)
    if largest >= CHANGED:
        return Verdict.CHANGED
    return Verdict.SHIFTED if largest >= STABLE else Verdict.STABLE


def _rhythm(period: pl.DataFrame) -> pl.DataFrame:
    days = period.group_by("subject", "day").agg(pl.col("item").n_unique().alias("size")).sort("subject", "day")
    gap = pl.col("day").diff().dt.total_days().over("subject")
    return (
        days.with_columns(gap.alias("gap")).group_by("subject", maintain_order=True).agg(pl.col("gap", "size").mean())
    )
