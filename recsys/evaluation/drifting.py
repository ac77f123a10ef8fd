"""What `drift` compares: items, categories, rhythm, and what a bundle scores."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.contracts.catalogue import split_path
from recsys.errors import ContractError
from recsys.evaluation.bundle_runs import personal_scores
from recsys.evaluation.comparison import batches
from recsys.evaluation.drift import Drift, Periods, Verdict, advice, of_names, of_values, shopping
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.judging import LEAST_SUBJECTS
from recsys.evaluation.source import Source
from recsys.evaluation.splits import Split, Window, compact, split_at
from recsys.history import ItemIndex, purchase_days
from recsys.scorer import Scorer

DRIFT_FILE: Final = "drift.json"
_JUDGES: Final = 2_000  # subjects whose scores are compared, evenly spread
_UNPLACED: Final = "(no category)"


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A category's share of all purchases in each period."""

    name: str
    before: float
    after: float


class DriftResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`drift.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^drift/1$")] = "drift/1"
    purchases: str  # fingerprint
    before: dt.date
    after: dt.date
    horizon: int
    bundle: str | None
    subjects: tuple[int, int]
    unseen_share: float  # of the second period's purchases: items that nobody had bought in the first
    drifts: tuple[Drift, ...]
    movers: tuple[Share, ...]  # the categories (or items) whose share moved most
    verdict: Verdict
    advice: str


def find_drift(
    source: Source,
    first: dt.date,
    second: dt.date,
    horizon: int,
    *,
    catalogue: pl.DataFrame | None,
    bundle: Bundle | None,
) -> DriftResult:
    """Compare `horizon` days from `first` on with as many from `second` on.

    Raises:
        ContractError: A period holds the purchases of fewer than five people.
    """
    purchases = compact(source.purchases)
    periods = Periods.of(purchase_days(purchases), first, second, horizon)
    subjects = (periods.before["subject"].n_unique(), periods.after["subject"].n_unique())
    for day, people in zip((first, second), subjects, strict=True):
        if people < LEAST_SUBJECTS:
            raise ContractError(
                f"fewer than {LEAST_SUBJECTS} people bought anything in the {horizon} days from {day}",
                where="--purchases",
                mend="Name other days, or a longer --horizon",
            )
    items = [period["item"].cast(pl.String) for period in (periods.before, periods.after)]
    drifts = [of_names("items", *items), *shopping(periods)]
    names = items
    if catalogue is not None:
        names = [_categories(of_period, catalogue) for of_period in items]
        drifts.insert(1, of_names("categories", *names))
    if bundle is not None:
        drifts.append(_of_scores(bundle, source.purchases, Window(first, horizon), Window(second, horizon)))
    verdict, text = advice(drifts)
    return DriftResult(
        purchases=source.fingerprint,
        before=first,
        after=second,
        horizon=horizon,
        bundle=bundle.model_version if bundle else None,
        subjects=subjects,
        unseen_share=int((~items[1].is_in(items[0].unique().to_list())).sum()) / len(items[1]),
        drifts=tuple(drifts),
        movers=_movers(*names),
        verdict=verdict,
        advice=text,
    )


def _categories(items: pl.Series, catalogue: pl.DataFrame) -> pl.Series:
    """The second part of the path (department / category / type), or the first where there is no second."""
    paths = {path: " / ".join(split_path(path)[:2]) for path in catalogue["category"].drop_nulls().unique()}
    placed = dict(catalogue.select("item", pl.col("category").replace_strict(paths, default=_UNPLACED)).iter_rows())
    return items.replace_strict(placed, default=_UNPLACED, return_dtype=pl.String)


def _movers(before: pl.Series, after: pl.Series, *, most: int = 12) -> tuple[Share, ...]:
    """The names whose share of all purchases moved most, downwards or upwards."""
    old, new = (dict(given.value_counts(normalize=True, name="share").iter_rows()) for given in (before, after))
    shares = [Share(name=name, before=old.get(name, 0.0), after=new.get(name, 0.0)) for name in sorted({*old, *new})]
    return tuple(sorted(shares, key=lambda share: -abs(share.after - share.before))[:most])


def _of_scores(bundle: Bundle, purchases: pl.DataFrame, first: Window, second: Window) -> Drift:
    """The best score of each subject who bought in a period, from history and item statistics before it."""
    scorer = Scorer(bundle)
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = scorer.codes(index)
    fresh, named, best = FreshStatistics(scorer, purchases, index, codes), compact(purchases), []
    for window in (first, second):
        fresh.refresh(window.as_of)
        split = split_at(named, window, index, codes, items=len(bundle.vocabulary)).thinned(_JUDGES)
        values = _best(scorer, split)
        if len(values) < LEAST_SUBJECTS:
            raise ContractError(
                f"fewer than {LEAST_SUBJECTS} people have a history before {window.as_of} that the bundle can use",
                where="--purchases",
                mend="Name a later day, or leave out --bundle",
            )
        best.append(values)
    return of_values("best score of the bundle", *best)


def _best(scorer: Scorer, split: Split) -> NDArray[np.float64]:
    scores = personal_scores(scorer, split)
    found = [np.empty(0)]
    for rows in batches(len(split.judged), split.items):
        of_rows = scores(rows)
        found.append(np.where(np.isfinite(of_rows), of_rows, -np.inf).max(axis=1))
    values = np.concatenate(found)
    return np.asarray(values[np.isfinite(values)], np.float64)
