"""The world as it was before a day: which items there were, the factorization of that time, the item statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import clone

from recsys.item_table import item_table
from recsys.model_histories import ModelHistories, fold_histories
from recsys.purchase_log import PurchaseLog
from recsys.statistics import statistics_of
from training.factorize import Factorization
from training.features.assemble import Lens
from training.features.fold_in import FoldIn
from training.record import Record


@dataclass(frozen=True)
class World:
    """Everything that a fit looks at.

    Args:
        record: Purchase days as arrays.
        log: The same for item statistics.
        tau: The time scale, in days.
        min_buyers: Items with fewer buyers are not there yet.
    """

    record: Record
    log: PurchaseLog
    tau: float
    min_buyers: int

    @classmethod
    def of(cls, record: Record, tau: float, min_buyers: int) -> World:
        """With the statistics of the record's items."""
        names = pl.Series("item", record.vocabulary.names)
        rows = record.whole
        taken = None if record.span is None else record.span.taken[rows]
        log = PurchaseLog.of_codes(names, record.owner[rows], record.item[rows], record.day[rows], taken)
        return cls(record, log, tau, min_buyers)

    def items(self, day: int) -> NDArray[np.float32]:
        """float32 [M, S]: the item table as of a day."""
        statistics = statistics_of(self.log, day, min_buyers=self.min_buyers)
        return item_table(statistics, self.record.vocabulary, self.record.categories)

    def there(self, day: int) -> NDArray[np.bool_]:
        """Bool [M]: which items enough subjects had bought before a day."""
        return self.record.buyers(day) >= self.min_buyers

    def histories(
        self, subjects: NDArray[np.int64], ends: NDArray[np.int64], known: NDArray[np.int64] | None = None
    ) -> ModelHistories:
        """Histories before a day each, as the graph takes them; of at most so many newest purchase days, if given."""
        histories = self.record.until(subjects, ends)
        if known is not None:
            sizes = np.diff(histories.offsets)
            before_end = np.repeat(histories.offsets[1:], sizes) - np.arange(len(histories.item))
            histories = histories.where(before_end <= np.repeat(known, sizes))
        return fold_histories(histories, self._identity, items=len(self._identity), as_of=ends)

    def lens(self, factorization: Factorization, day: int, decay: float | None, people: int | None = None) -> Lens:
        """Learn from what lies before a day.

        Args:
            factorization: Its settings; it is not changed.
            day: Since 1970.
            decay: The half-life of counts, in time scales.
            people: From so many subjects at most, drawn by the factorization's `random_state`; None: from all.
        """
        there = self.there(day)
        counts = self.record.counts(day, half_life=None if decay is None else decay * self.tau)
        some = np.flatnonzero(np.diff(counts.indptr))
        if people is not None and len(some) > people:
            rng = np.random.default_rng(factorization.random_state)
            some = np.sort(rng.choice(some, people, replace=False))
        learned = counts[some][:, there]
        fold = FoldIn.of(clone(factorization).fit(learned), learned, decay)
        factors = np.zeros((len(there), fold.item_factors.shape[1]), np.float32)
        factors[there] = fold.item_factors
        mean = np.zeros(len(there))
        mean[there] = fold.mean_beyond_one
        fold = replace(fold, item_factors=factors, mean_beyond_one=mean)
        return Lens(self.tau, self.record.categories, fold)

    @cached_property
    def _identity(self) -> NDArray[np.int32]:
        return np.arange(len(self.record.vocabulary), dtype=np.int32)
