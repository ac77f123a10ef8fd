"""Ranking, judged: lists held against what was bought in windows that none of the models had seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from recsys.bundle import Bundle
from recsys.contracts.runs import TASKS
from recsys.errors import ContractError
from recsys.evaluation.bundle_runs import seal_of
from recsys.evaluation.intervals import RESAMPLES
from recsys.evaluation.judging import LEAST_SUBJECTS, JudgedWindow, judge_window
from recsys.evaluation.results import Coverage, JudgedPurchases, JudgedRun, RankingResult
from recsys.evaluation.results import JudgedWindow as WindowResult
from recsys.evaluation.runs import RunSet
from recsys.evaluation.source import Source
from recsys.evaluation.splits import compact
from recsys.evaluation.summary import summarise

_MEND: Final = "Name the purchases that the lists were made from"


def judge_runs(runs: RunSet, source: Source, *, seed: int, bundle: Bundle | None = None) -> RankingResult:
    """Judge all models of the runs in all of their windows. Lists and purchases are all that is looked at.

    Args:
        runs: The lists.
        source: The purchases that they were made from, the windows included.
        seed: Of the bootstrap's resamples.
        bundle: Whose lists the candidate's are, where they are a bundle's.

    Raises:
        ContractError: The purchases are others, or too few people can be judged.
    """
    if source.fingerprint != runs.manifest.purchases:
        raise ContractError("are not the purchases that the lists were made from", where="--purchases", mend=_MEND)
    purchases = compact(source.purchases)
    judged = [judge_window(runs, purchases, window) for window in runs.manifest.windows]
    cells = [cell for window in judged for cell in window.cells]
    if not any(cell.segment == "all" for cell in cells):
        raise ContractError(
            f"fewer than {LEAST_SUBJECTS} people with a history bought anything that could be listed",
            where="--purchases",
            mend="Judge more people, or a longer window",
        )
    run = _run(runs, bundle)
    models = [model.name for model in run.models]
    figures, differences = summarise(cells, models, run.name, np.random.default_rng(seed))
    last_day = source.purchases["day"].max()
    return RankingResult(
        run=run,
        purchases=_purchases(source),
        windows=tuple(_window(window, last_day) for window in judged if isinstance(last_day, dt.date)),
        seed=seed,
        resamples=RESAMPLES,
        figures=figures,
        differences=differences,
        coverage=tuple(_coverage(judged, models)),
    )


def _run(runs: RunSet, bundle: Bundle | None) -> JudgedRun:
    manifest = runs.manifest
    return JudgedRun(
        candidate=manifest.candidate,
        bundle=None if bundle is None else seal_of(bundle),
        until=None if bundle is None else bundle.manifest.data.until,
        level=manifest.level,
        split=manifest.split,
        k=manifest.k,
        models=manifest.models,
    )


def _window(judged: JudgedWindow, last_day: dt.date) -> WindowResult:
    split = judged.split
    return WindowResult(
        window=judged.window,
        days_covered=split.window.covered(last_day),
        items=split.items,
        new_subjects=int(split.new.sum()),
        unknown_items=split.unknown_items,
        unknown_share=split.unknown_share,
    )


def _purchases(source: Source) -> JudgedPurchases:
    first_day, last_day = source.purchases.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0)
    return JudgedPurchases(
        fingerprint=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        lines=len(source.purchases),
        first_day=first_day,
        last_day=last_day,
    )


def _coverage(judged: Sequence[JudgedWindow], models: Sequence[str]) -> list[Coverage]:
    found = []
    for task in TASKS:
        shares = np.array([window.coverage[task] for window in judged])
        names = [*(window.window.name for window in judged), None]
        for name, of_window in zip(names, [*shares, shares.mean(axis=0)], strict=True):
            found += [
                Coverage(window=name, task=task, model=model, share=float(share))
                for model, share in zip(models, of_window, strict=True)
            ]
    return found
