"""A bundle's own lists beside those of the baselines that need no learning, as runs of one window."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.contracts.manifest import MANIFEST_FILE
from recsys.contracts.runs import RunModel, Runs, RunWindow, SplitKind
from recsys.contracts.token import Lineage
from recsys.errors import BundleError, ContractError, TokenError
from recsys.evaluation.assembling import Assembly
from recsys.evaluation.candidates import candidate_scores
from recsys.evaluation.comparison import K, Scores, listed
from recsys.evaluation.contenders import UNLEARNED
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.runs import RunSet
from recsys.evaluation.source import Source
from recsys.evaluation.splits import Split, Window, compact, split_at
from recsys.fallback import popularity
from recsys.files import sha256_of
from recsys.history import ItemIndex
from recsys.scorer import Scorer

BUNDLE: Final = "bundle"  # the candidate's name among the models
_MEND_EMPTY: Final = "Name the purchases that the bundle is for, and a day that they reach beyond"
_ABOUT: Final = (
    "What this customer is likely to buy, by own habit, by customers with a similar history and by what sells, "
    "learned from what was bought before {until}. Who has no history is shown what sells."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bundle is judged on: `horizon` days from `as_of` on, split as `kind` says."""

    as_of: dt.date
    horizon: int
    kind: SplitKind = SplitKind.TIME

    @property
    def window(self) -> Window:
        """The days to judge."""
        return Window(self.as_of, self.horizon)

    @property
    def validation(self) -> Window:
        """The days before them, on which the baselines choose their settings."""
        return Window(self.as_of - dt.timedelta(days=self.horizon), self.horizon)


def bundle_runs(bundle: Bundle, source: Source, asked: Asked, counted: pl.DataFrame, *, seed: int) -> RunSet:
    """List what the bundle and the baselines rank highest for everyone who bought something in the window.

    Args:
        bundle: What is judged.
        source: The purchases.
        asked: The window, and how it is split.
        counted: Those of the purchases that the bundle's item statistics are computed from, as of the window's first
            day, as when it serves.
        seed: Of the intervals' resamples.

    Raises:
        BundleError: The bundle was trained on days of the window.
        ContractError: Nobody can be judged.
    """
    check_unseen(bundle, asked.as_of)
    scorer = Scorer(bundle)
    index = ItemIndex.of(source.purchases["item"].unique().sort())
    codes = scorer.codes(index)
    items = len(bundle.vocabulary)
    purchases = compact(source.purchases)
    split, validation = (
        split_at(purchases, window, index, codes, items=items, kind=asked.kind)
        for window in (asked.window, asked.validation)
    )
    _check_judged(split)
    window = RunWindow(name=asked.as_of.isoformat(), as_of=asked.as_of, horizon=asked.horizon)
    FreshStatistics(scorer, counted, index, codes).refresh(asked.as_of)
    runs = Assembly(K, UNLEARNED)
    runs.add_window(window, bundle.vocabulary)
    for contender in UNLEARNED:
        runs.add_baseline(contender, window, split, validation, bundle.vocabulary)
    runs.add_lists(BUNDLE, window, split, bundle.vocabulary, listed(split, bundle_scores(scorer, split), k=K))
    manifest = Runs(
        split=asked.kind,
        k=K,
        level=bundle.manifest.level,
        purchases=source.fingerprint,
        domain=source.lineage.domain,
        epoch=source.lineage.epoch,
        seed=seed,
        candidate=bundle.model_version,
        windows=(window,),
        models=runs.models(_candidate(bundle)),
        files={},
    )
    return RunSet(manifest, runs.lists(), runs.vocabularies(), bundle.item_map)


def bundle_scores(scorer: Scorer, split: Split) -> Scores:
    """What a split's subjects would be shown: the bundle's scores, and without a usable history what sells these days.

    That is what such a customer gets where the bundle serves (`recsys.fallback`), and so that is what is judged.
    """
    personal, popular = personal_scores(scorer, split), popularity(scorer)

    def scores(rows: slice) -> NDArray[np.floating]:
        found = personal(rows)
        found[~np.isfinite(found).any(axis=1)] = popular
        return found

    return scores


def personal_scores(scorer: Scorer, split: Split) -> Scores:
    """What a bundle scores for a split's subjects; of one without a history that it can use, nothing."""
    same = np.arange(split.items, dtype=np.int32)

    def scores(rows: slice) -> NDArray[np.floating]:
        given = split.judged.slice(rows.start, rows.stop)
        return candidate_scores(scorer, scorer.fold(given, same, as_of=split.days[rows]))

    return scores


def seal_of(bundle: Bundle) -> str:
    """SHA-256 of the signed manifest: with it a result is of these very bytes, not of whatever has the same name."""
    return sha256_of(bundle.path / MANIFEST_FILE)


def check_unseen(bundle: Bundle, as_of: dt.date) -> None:
    """Refuse a bundle that was trained on days of the window: it would be judged on what it has seen."""
    until = bundle.manifest.data.until
    if until > as_of:
        raise BundleError(
            f"its training window reaches into what it would be judged on: it was trained on days before {until}, "
            f"and the first day to judge is {as_of}",
            where=bundle.model_version,
            mend=f"Fit with --until {as_of}, or judge from {until} on",
        )


def check_domain(bundle: Bundle, lineage: Lineage, *, where: str) -> None:
    """Refuse purchases of another domain than the bundle's.

    Raises:
        TokenError: They are.
    """
    learned = bundle.manifest.data.domain
    if lineage.domain != learned:
        raise TokenError(
            f"holds tokens of domain {lineage.domain!r}, and the bundle was learned from those of {learned!r}",
            where=where,
            mend="Ask the custodian for purchases of the bundle's domain",
        )


def _candidate(bundle: Bundle) -> RunModel:
    return RunModel(
        name=BUNDLE,
        role="candidate",
        title="this bundle",
        about=_ABOUT.format(until=bundle.manifest.data.until),
        learned=True,
        trials=0,
    )


def _check_judged(split: Split) -> None:
    if not len(split.everyone):
        raise ContractError(
            f"nothing that the bundle knows was bought before {split.window.as_of}",
            where="purchases",
            mend=_MEND_EMPTY,
        )
    if not len(split.judged) or split.new.all():
        raise ContractError(
            f"nobody with a history bought anything that the bundle knows from {split.window.as_of} "
            f"to before {split.window.end}",
            where="purchases",
            mend=_MEND_EMPTY,
        )
