"""The scorer: runs a bundle's ONNX graph on histories. A history it has never seen is folded in as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.errors import BundleError, ContractError
from recsys.history import DAYS, Histories, ItemIndex
from recsys.model_items import model_codes
from recsys.ragged import distinct
from recsys.runtime import ort

# The graph's interface, shared by the exporter and this module.
HISTORY_ITEMS: Final = "history_items"  # int64 [batch, length]; padding is the number of model items
HISTORY_COUNTS: Final = "history_counts"  # float32 [batch, length]; purchase days, 0 for padding
CANDIDATES: Final = "candidates"  # int64 [candidates]; model items, the same for the whole batch
EXPLAINED: Final = "explained"  # int64 [explained]; model items whose scores to take apart; empty: no such work
SCORES: Final = "scores"  # float32 [batch, candidates]
CONTRIBUTIONS: Final = "contributions"  # float32 [batch, explained, length]; each row sums to the score

BATCH: Final = 256  # subjects for callers to score in one call
_TOGETHER: Final = 32  # of them in one run of the graph
_LANES: Final = 8  # lengths are multiples of this: kernels sum by lanes, so padding never changes a score's last bit
_NONE: Final = np.empty(0, np.int64)


@dataclass(frozen=True)
class ModelHistories:
    """Histories as the graph takes them: padded, one column a model item.

    Args:
        items: int64 [B, L], `padding` where a subject has fewer than L model items.
        counts: float32 [B, L], distinct purchase days.
    """

    items: NDArray[np.int64]
    counts: NDArray[np.float32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Who has any history that the model can use, as bool [B]."""
        return self.lengths > 0

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [B]: how many model items each has."""
        return np.asarray((self.counts > 0).sum(axis=1))

    def rows(self, rows: NDArray[np.int64]) -> ModelHistories:
        """Some of the subjects, without the padding that none of them needs."""
        width = _padded(int(self.lengths[rows].max(initial=0)))
        return ModelHistories(self.items[rows, :width], self.counts[rows, :width])


class Scorer:
    """Scores model items for histories; one thread unless told otherwise, since serving scales by workers."""

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
        except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidGraph) as error:
            raise BundleError(f"the graph cannot be loaded ({type(error).__name__})", where=str(bundle.path)) from None
        self.bundle = bundle
        self.vocabulary = bundle.vocabulary

    def codes(self, index: ItemIndex, catalogue_map: pl.DataFrame | None = None) -> NDArray[np.int32]:
        """int32 [len(index)]: the model item of each item, -1 for none.

        Args:
            index: The items.
            catalogue_map: `item, model_item` of today's catalogue, which places items newer than the bundle.
        """
        item_map = self.bundle.item_map
        if item_map is not None and catalogue_map is not None:
            item_map = pl.concat([item_map, catalogue_map], how="vertical").unique("item", keep="first")
        return model_codes(index, self.vocabulary, item_map)

    def fold(self, histories: Histories, codes: NDArray[np.int32]) -> ModelHistories:
        """Bring histories to model items.

        Args:
            histories: B subjects.
            codes: The model item of each item code, from `codes`.
        """
        rows, model = histories.rows_of, codes[histories.item].astype(np.int64)
        usable = model >= 0
        size = len(self.vocabulary)
        days = distinct((rows[usable] * size + model[usable]) * DAYS + histories.day[usable])
        cells, counts = np.unique(days // DAYS, return_counts=True)
        subject, item = np.divmod(cells, size)
        lengths = np.bincount(subject, minlength=len(histories))
        column = np.arange(len(cells)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        shape = (len(histories), _padded(int(lengths.max(initial=0))))
        items = np.full(shape, size, np.int64)
        padded = np.zeros(shape, np.float32)
        items[subject, column] = item
        padded[subject, column] = counts
        return ModelHistories(items, padded)

    def score(self, histories: ModelHistories, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [B, C]: the score of each candidate; without any history, zero."""
        result = np.empty((len(histories.items), len(candidates)), np.float32)
        for rows in _alike(histories):
            result[rows] = self._run(SCORES, histories.rows(rows), candidates)
        return result

    def contributions(self, histories: ModelHistories, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [B, C, L]: what each model item of the history adds to each candidate's score; sums to it."""
        result = np.zeros((len(histories.items), len(candidates), histories.items.shape[1]), np.float32)
        for rows in _alike(histories):
            part = self._run(CONTRIBUTIONS, histories.rows(rows), candidates)
            result[rows, :, : part.shape[2]] = part
        return result

    def _run(self, output: str, histories: ModelHistories, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        asked = CANDIDATES if output == SCORES else EXPLAINED  # onnxruntime computes both outputs, so one is left empty
        feed = {HISTORY_ITEMS: histories.items, HISTORY_COUNTS: histories.counts, CANDIDATES: _NONE, EXPLAINED: _NONE}
        result: NDArray[np.float32] = self._session.run([output], feed | {asked: candidates})[0]
        return result


def _alike(histories: ModelHistories) -> list[NDArray[np.int64]]:
    """The rows in batches of about the same length, since a batch is as long as its longest history."""
    if not np.isfinite(histories.counts).all() or (histories.counts < 0).any():
        raise ContractError(
            "a history holds a count that is negative or not a number",
            mend="Net returns before scoring; recsys.history does",
        )
    order = np.argsort(histories.lengths, kind="stable")
    return [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]


def _padded(length: int) -> int:
    return max(-(-length // _LANES), 1) * _LANES
