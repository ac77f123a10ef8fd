"""What fresh item statistics are worth: one bundle, never fitted again, with its own and with each window's."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.contracts.document import encode_document
from recsys.evaluation.bundle_runs import bundle_scores, check_unseen
from recsys.evaluation.comparison import K, batches, listed
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.intervals import Estimate, bootstrap_unit_means
from recsys.evaluation.metrics import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.splits import Split, Window, compact, split_at
from recsys.history import ItemIndex
from recsys.scorer import Scorer

FRESH_FILE: Final = "fresh.json"


class Freshness(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """NDCG of one window, or of all, over everyone with a history."""

    window: dt.date | None
    subjects: int
    own: Estimate
    fresh: Estimate
    fresh_minus_own: Estimate


def judge_freshness(bundle: Bundle, purchases: pl.DataFrame, windows: list[Window]) -> list[Freshness]:
    """Judge a bundle on windows after it was fitted; a subject's windows are drawn together.

    Raises:
        BundleError: The bundle was trained on days of a window.
    """
    scorer = Scorer(bundle)
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = scorer.codes(index)
    statistics, named = FreshStatistics(scorer, purchases, index, codes), compact(purchases)
    found, owners = list[NDArray[np.float64]](), list[str]()
    rows = []
    for window in windows:
        check_unseen(bundle, window.as_of)
        split = split_at(named, window, index, codes, items=len(bundle.vocabulary))
        scorer.refresh(bundle.statistics)
        own, whose = _judged(scorer, split)
        statistics.refresh(window.as_of)
        fresh, _ = _judged(scorer, split)
        found.append(np.stack([own, fresh, fresh - own], axis=1))
        owners += whose
        rows.append(_figure(window.as_of, found[-1], whose))
    return [*rows, _figure(None, np.concatenate(found), owners)]


def write_freshness(figures: list[Freshness], folder: Path) -> None:
    """Keep them as `fresh.json`."""
    (folder / FRESH_FILE).write_bytes(encode_document(figures))


def read_freshness(folder: Path) -> list[Freshness]:
    """What was kept; nothing where nothing was."""
    path = folder / FRESH_FILE
    return msgspec.json.decode(path.read_bytes(), type=list[Freshness]) if path.is_file() else []


def _judged(scorer: Scorer, split: Split) -> tuple[NDArray[np.float64], list[str]]:
    """NDCG of everyone with a history at finding all that they bought, and who they are."""
    lists, old = listed(split, bundle_scores(scorer, split), k=K)["mixed"], ~split.new
    values = [
        ndcg(Judged.of(lists.items[rows][old[rows]], split.relevant(rows)[old[rows]]))
        for rows in batches(len(split.judged), split.items)
    ]
    return np.concatenate(values), np.array(split.judged.subjects)[old].tolist()


def _figure(window: dt.date | None, values: NDArray[np.float64], whose: list[str]) -> Freshness:
    subjects, owners = np.unique(whose, return_inverse=True)
    own, fresh, difference = bootstrap_unit_means(values, owners, np.random.default_rng(0))
    return Freshness(window=window, subjects=len(subjects), own=own, fresh=fresh, fresh_minus_own=difference)
