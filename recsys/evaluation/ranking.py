"""Ranking, judged: the bundle beside its baselines, on what was bought in a window that none of them has seen."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.errors import BundleError, ContractError
from recsys.evaluation.baselines import global_prior, gp_pop, own_frequency, popularity
from recsys.evaluation.comparison import K, Scores, compare
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.recall import candidate_scores
from recsys.evaluation.results import BUNDLE, GP_POP, POPULARITY, JudgedBundle, JudgedPurchases, RankingResult
from recsys.evaluation.source import Source
from recsys.evaluation.splits import Split, Window, time_split
from recsys.evaluation.summary import summarise
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer

_MEND_EMPTY: Final = "Name the purchases that the bundle is for, and a day that they reach beyond"


def judge_ranking(bundle: Bundle, source: Source, window: Window, *, seed: int) -> RankingResult:
    """Compare the bundle, with item statistics as of the window's first day, with popularity and GP-Pop.

    Args:
        bundle: Trained on nothing dated in the window.
        source: The purchases; what is dated after the window is not looked at.
        window: What to judge on.
        seed: Of the bootstrap's resamples.

    Raises:
        BundleError: The bundle was trained on days of the window.
        ContractError: Nobody can be judged.
    """
    check_unseen(bundle, window)
    scorer, purchases = Scorer(bundle), source.purchases
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = scorer.codes(index)
    split = time_split(purchases, window, index, codes, items=len(bundle.vocabulary))
    _check_judged(split)
    given = histories(purchases, index, until=window.as_of, subjects=split.judged.subjects)
    FreshStatistics(scorer, purchases, index, codes).refresh(window.as_of)

    def by_bundle(rows: slice) -> NDArray[np.floating]:
        part = given.slice(rows.start, rows.stop)
        return candidate_scores(scorer, scorer.fold(part, codes, as_of=day_number(window.as_of)))

    models = {**baselines(split), BUNDLE: by_bundle}
    summary = summarise(compare(split, models), list(models), split.judged, np.random.default_rng(seed))
    return RankingResult(
        bundle=_judged_bundle(bundle),
        purchases=_judged_purchases(source, split),
        as_of=window.as_of,
        horizon=window.horizon,
        k=K,
        seed=seed,
        resamples=RESAMPLES,
        figures=summary.figures,
        differences=summary.differences,
        by_history=summary.by_history,
    )


def check_unseen(bundle: Bundle, window: Window) -> None:
    """Refuse a bundle that was trained on days of the window: it would be judged on what it has seen."""
    until = bundle.manifest.data.until
    if until > window.as_of:
        raise BundleError(
            f"its training window reaches into what it would be judged on: it was trained on days before {until}, "
            f"and the first day to judge is {window.as_of}",
            where=bundle.model_version,
            mend=f"Fit with --until {window.as_of}, or judge from {until} on",
        )


def baselines(split: Split) -> dict[str, Scores]:
    """The baselines, each knowing what happened before the window and no more."""
    as_of, items = split.window.as_of, split.items
    popular = popularity(split.everyone, items=items)
    prior = global_prior(split.everyone, as_of=as_of, items=items)

    def by_popularity(rows: slice) -> NDArray[np.floating]:
        return np.broadcast_to(popular, (rows.stop - rows.start, items))

    def by_habit(rows: slice) -> NDArray[np.floating]:
        return gp_pop(own_frequency(split.judged.slice(rows.start, rows.stop), as_of=as_of, items=items), prior)

    return {POPULARITY: by_popularity, GP_POP: by_habit}


def _check_judged(split: Split) -> None:
    if not len(split.everyone):
        raise ContractError(
            f"nothing that the bundle knows was bought before {split.window.as_of}",
            where="purchases",
            mend=_MEND_EMPTY,
        )
    if not len(split.judged):
        raise ContractError(
            f"nobody with a history bought anything that the bundle knows from {split.window.as_of} "
            f"to before {split.window.end}",
            where="purchases",
            mend=_MEND_EMPTY,
        )


def _judged_bundle(bundle: Bundle) -> JudgedBundle:
    manifest = bundle.manifest
    return JudgedBundle(
        version=bundle.model_version,
        until=manifest.data.until,
        level=manifest.level,
        items=len(bundle.vocabulary),
    )


def _judged_purchases(source: Source, split: Split) -> JudgedPurchases:
    first_day, last_day = source.purchases.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0)
    return JudgedPurchases(
        fingerprint=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        lines=len(source.purchases),
        first_day=first_day,
        last_day=last_day,
        days_covered=split.window.covered(last_day),
        subjects_without_history=split.without_history,
        unknown_items=split.unknown_items,
        unknown_share=split.unknown_share,
    )
