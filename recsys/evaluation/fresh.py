"""Item statistics as they were: computed from the purchases at hand, strictly before a day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.console import warn
from recsys.contracts.dataset import dataset_in
from recsys.contracts.subjects import SUBJECTS, Purpose, consenting, subjects_file
from recsys.errors import ContractError
from recsys.evaluation.source import Source, check_lineage
from recsys.history import ItemIndex, day_number, netted
from recsys.purchase_log import PurchaseLog
from recsys.scorer import Scorer
from recsys.statistics import statistics_of


class FreshStatistics:
    """Gives a scorer the statistics as of a day; what is dated on it or later does not count, returns neither.

    Args:
        scorer: Whose statistics are replaced.
        purchases: In the purchases contract.
        index: The items of `purchases`.
        codes: int32 [len(index)], the model item of each, -1 for none.
    """

    def __init__(self, scorer: Scorer, purchases: pl.DataFrame, index: ItemIndex, codes: NDArray[np.int32]) -> None:
        known = codes >= 0
        self._scorer = scorer
        names = pl.DataFrame(
            {
                "item": pl.Series(index.names, dtype=pl.String).filter(pl.Series(known)),
                "model_item": pl.Series(scorer.vocabulary.names, dtype=pl.String).gather(codes[known]),
            }
        )
        made = netted(purchases)
        self._log = PurchaseLog.of(*(_of_model_items(frame, names) for frame in (made.daily, made.returned)))

    def refresh(self, day: dt.date) -> None:
        """Compute them and hand them over."""
        least = self._scorer.bundle.manifest.min_buyers
        self._scorer.refresh(statistics_of(self._log, day_number(day), min_buyers=least))


def _of_model_items(rows: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    days = pl.col("^(day|taken)$")
    return rows.join(names, on="item").select("subject", pl.col("model_item").alias("item"), days)


def counted_purchases(source: Source, bundle: Bundle, *, path: Path, subjects: Path | None) -> pl.DataFrame:
    """The purchases that item statistics are counted from: of those who agreed to training, where a file says who did.

    Warns where none does and the bundle was learned only from those who agreed.

    Args:
        source: The purchases.
        bundle: What is judged.
        path: Where the purchases lie: a dataset has its own subjects.
        subjects: In the subjects contract; None: those of a dataset; else everyone counts.

    Raises:
        ContractError: The subjects file breaks its contract, or nobody in it agreed.
        TokenError: It is of another domain or epoch than the purchases.
    """
    held = dataset_in(path)
    named = subjects or (subjects_file(path, held) if held else None)
    if named is None:
        if bundle.manifest.data.consent == Purpose.TRAINING:
            warn(
                "Item statistics count everyone in --purchases, and the bundle was learned only from those who agreed "
                "to training: name the --subjects."
            )
        return source.purchases
    listed = SUBJECTS.read(named)
    check_lineage(listed["subject"], source.lineage, where=str(named))
    agreed = source.purchases.filter(pl.col("subject").is_in(consenting(listed, Purpose.TRAINING).to_list()))
    if agreed.is_empty():
        raise ContractError(
            "nobody who bought anything agreed to training: no item can be counted",
            where=str(named),
            mend="Give the subjects of these purchases",
        )
    return agreed
