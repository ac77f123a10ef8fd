"""Top-k lists of model items for whole populations: the bundle's ranking as it is, without guards."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.evaluation.candidates import candidate_scores
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.lists import top_lists
from recsys.history import Histories, ItemIndex, day_number, histories
from recsys.model_histories import ModelHistories
from recsys.scorer import BATCH, Scorer


@dataclass(frozen=True, slots=True)
class TopLists:
    """Lists of a population.

    Args:
        rows: `subject, rank, item, score`, by subject and rank; rank 1 is the best.
        listed: How many subjects have a list.
        left_out: How many subjects have no history that the bundle can use: they have no list.
    """

    rows: pl.DataFrame
    listed: int
    left_out: int


def list_top(
    scorer: Scorer,
    purchases: pl.DataFrame,
    as_of: dt.date | pl.DataFrame,
    *,
    k: int,
    candidates: NDArray[np.int64] | None = None,
    counted: pl.DataFrame | None = None,
) -> TopLists:
    """Rank model items for each subject; what was bought before may be listed again.

    Args:
        scorer: Of the bundle.
        purchases: In the purchases contract.
        as_of: Nothing dated on or after this day is used; or a frame `subject, day` with a day for each subject.
        k: The length of a list; shorter where there are fewer items.
        candidates: int64, ascending: the model items to rank; None: all up to 2,500, else what a subject bought before,
            the factorization's 200 best for them, and what is popular.
        counted: Those of the purchases that item statistics are computed from, strictly before each as-of day; None:
            they stay as the scorer has them.

    Raises:
        ContractError: Nobody has a history that the bundle can use.
    """
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = scorer.codes(index)
    fresh = None if counted is None else FreshStatistics(scorer, counted, index, codes)
    everyone, parts = histories(purchases, index, until=as_of), []
    for day, asked in _by_day(everyone, as_of):
        if fresh is not None:
            fresh.refresh(day)
        known = everyone.take(asked)
        for batch in known.batches(BATCH):
            folded = scorer.fold(batch, codes, as_of=day_number(day))
            parts.append(_lists(batch, _scores(scorer, folded, candidates), k, scorer.vocabulary))
    rows = pl.concat([_NOBODY, *parts]).sort("subject", "rank")
    if rows.is_empty():
        raise ContractError(
            "nobody has a history that the bundle can use",
            where="--purchases",
            mend="Name the purchases that the bundle is for, and a day after some of them",
        )
    listed = rows["subject"].n_unique()
    return TopLists(rows, listed=listed, left_out=len(everyone) - listed)


_NOBODY = pl.DataFrame(schema={"subject": pl.String, "rank": pl.Int64, "item": pl.String, "score": pl.Float32})


def _by_day(everyone: Histories, as_of: dt.date | pl.DataFrame) -> list[tuple[dt.date, NDArray[np.int64]]]:
    """The as-of days, each with the positions of those whom it is for: a day means everyone."""
    if isinstance(as_of, dt.date):
        return [(as_of, np.arange(len(everyone)))]
    places = pl.DataFrame({"subject": everyone.subjects, "place": np.arange(len(everyone))})
    parts = as_of.join(places, on="subject").sort("day", "place").partition_by("day", maintain_order=True)
    return [(part["day"][0], part["place"].to_numpy()) for part in parts]


def _scores(scorer: Scorer, folded: ModelHistories, candidates: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """float32 [B, model items]; -inf for what is not to be listed."""
    if candidates is None:
        return candidate_scores(scorer, folded)
    scores = np.full((len(folded), len(scorer.vocabulary)), -np.inf, np.float32)
    scores[:, candidates] = scorer.score(folded, candidates)
    scores[~folded.known] = -np.inf
    return scores


def _lists(batch: Histories, scores: NDArray[np.float32], k: int, vocabulary: ItemIndex) -> pl.DataFrame:
    lists = top_lists(scores, k)
    row, place = np.nonzero(lists >= 0)
    item = lists[row, place]
    return pl.DataFrame(
        {
            "subject": pl.Series(batch.subjects, dtype=pl.String).gather(row),
            "rank": pl.Series(place + 1, dtype=pl.Int64),
            "item": pl.Series(vocabulary.names, dtype=pl.String).gather(item),
            "score": scores[row, item],
        }
    )
