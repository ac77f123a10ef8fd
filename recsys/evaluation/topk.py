"""Top-k lists of model items for whole populations: the bundle's ranking as it is, without guards."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.evaluation.lists import top_lists
from recsys.history import Histories, ItemIndex, histories
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


def list_top(scorer: Scorer, purchases: pl.DataFrame, as_of: dt.date | pl.DataFrame, *, k: int) -> TopLists:
    """Rank all model items for each subject; what was bought before may be listed again.

    Args:
        scorer: Of the bundle.
        purchases: In the purchases contract.
        as_of: Nothing dated on or after this day is used; or a frame `subject, day` with a day for each subject.
        k: The length of a list; shorter where there are fewer items.

    Raises:
        ContractError: Nobody has a history that the bundle can use.
    """
    index = ItemIndex.of(purchases["item"].unique().sort())
    codes = scorer.codes(index)
    known = histories(purchases, index, until=as_of)
    rows = pl.concat([_lists(scorer, batch, codes, k) for batch in known.batches(BATCH)])
    if rows.is_empty():
        raise ContractError(
            "nobody has a history that the bundle can use",
            where="--purchases",
            mend="Name the purchases that the bundle is for, and a day after some of them",
        )
    listed = rows["subject"].n_unique()
    return TopLists(rows, listed=listed, left_out=len(known) - listed)


def _lists(scorer: Scorer, batch: Histories, codes: NDArray[np.int32], k: int) -> pl.DataFrame:
    folded = scorer.fold(batch, codes)
    scores = scorer.score(folded, np.arange(len(scorer.vocabulary)))
    lists = top_lists(scores, k, allowed=np.broadcast_to(folded.known[:, None], scores.shape))
    row, place = np.nonzero(lists >= 0)
    item = lists[row, place]
    return pl.DataFrame(
        {
            "subject": pl.Series(batch.subjects, dtype=pl.String).gather(row),
            "rank": pl.Series(place + 1, dtype=pl.Int64),
            "item": pl.Series(scorer.vocabulary.names, dtype=pl.String).gather(item),
            "score": scores[row, item],
        }
    )
