"""The scorer: runs a bundle's ONNX graph on histories. A history it has never seen is folded in as it comes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import Bundle
from recsys.contracts.statistics import ITEM_STATISTICS as STATISTICS
from recsys.errors import BundleError, ContractError
from recsys.history import Histories, ItemIndex
from recsys.item_table import item_table
from recsys.model_histories import LANES, ModelHistories, fold_histories, outside
from recsys.model_items import item_parts, model_codes
from recsys.runtime import ort

# The graph's interface, shared by the exporter and this module.
HISTORY_ITEMS: Final = "history_items"  # int64 [batch, length]; padding is the number of model items
PURCHASE_SLOTS: Final = "purchase_slots"  # int64 [batch, purchases]; which of the length a purchase day is of
PURCHASE_AGES: Final = "purchase_ages"  # float32 [batch, purchases]; days before the as-of day
PURCHASE_TRIPS: Final = "purchase_trips"  # float32 [batch, purchases]; later shopping days
PURCHASE_QUANTITIES: Final = "purchase_quantities"  # float32 [batch, purchases]; 0 for padding
ITEM_STATISTICS: Final = "item_statistics"  # float32 [items + 1, statistics]; the last row is padding's
CANDIDATES: Final = "candidates"  # int64 [candidates]; ascending model items, the same for the whole batch
EXPLAINED: Final = "explained"  # int64 [explained]; model items whose affinities to take apart; empty: no such work
RECALLED: Final = "recalled"  # int64 [recalled]; model items whose affinities to tell
SCORES: Final = "scores"  # float32 [batch, candidates]
AFFINITIES: Final = "affinities"  # float32 [batch, recalled]; folded-in scores
CONTRIBUTIONS: Final = "contributions"  # float32 [batch, explained, length]; each row sums to the affinity

BATCH: Final = 256  # subjects for callers to score in one call
_PAIR: Final = 2  # subjects in a run, which is as long as its longest history; scores are those of each alone to 1e-6
_MANY: Final = 2_048  # candidates from which on what is done once a run is most of it: then
_TOGETHER: Final = 16  # subjects share a run
_LEFT_OUT: Final = "optimization.disable_specified_optimizers"  # ours would undo the graph's layout, a plane a feature


class Scorer:
    """Scores model items for histories in one thread: serving scales by workers, and sums keep their order.

    Args:
        bundle: The model.
        statistics: Item statistics fresher than the bundle's own, in their contract; None: its own.
    """

    def __init__(self, bundle: Bundle, *, statistics: pl.DataFrame | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry(_LEFT_OUT, "TransposeOptimizer;TransposeOptimizer_CPUExecutionProvider")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
        except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidGraph) as error:
            raise BundleError(f"the graph cannot be loaded ({type(error).__name__})", where=str(bundle.path)) from None
        self.bundle = bundle
        self.vocabulary = bundle.vocabulary
        self.refresh(bundle.statistics if statistics is None else statistics)

    def refresh(self, statistics: pl.DataFrame) -> None:
        """Score with these item statistics from now on.

        Raises:
            ContractError: They break their contract: scores would be no numbers.
        """
        statistics = STATISTICS.checked(statistics, where="item statistics")
        table = item_table(statistics, self.vocabulary, self.bundle.categories)
        self.items = np.vstack([table, np.zeros_like(table[:1])])
        self.statistics = statistics

    def refreshed(self, statistics: pl.DataFrame) -> Scorer:
        """Another scorer of the same graph, with these item statistics; this one stays as it is."""
        other = copy.copy(self)
        other.refresh(statistics)
        return other

    def codes(self, index: ItemIndex, catalogue_map: pl.DataFrame | None = None) -> NDArray[np.int32]:
        """int32 [len(index)]: the model item of each item, -1 for none.

        Args:
            index: The items.
            catalogue_map: `item, model_item` of today's catalogue, which places items newer than the bundle.
        """
        item_map = self.bundle.item_map
        if item_map is not None and catalogue_map is not None:
            known = item_map.select("item", "model_item")
            item_map = pl.concat([known, catalogue_map], how="vertical").unique("item", keep="first")
        return model_codes(index, self.vocabulary, item_map)

    def parts(self, index: ItemIndex, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """float64 [len(index)]: which part of its model item each item is; 0 for an item of none.

        Args:
            index: The items.
            codes: Their model items, from `codes`.
        """
        return item_parts(index, codes, self.vocabulary, self.bundle.item_map)

    def fold(self, histories: Histories, codes: NDArray[np.int32], *, as_of: int | NDArray[np.int64]) -> ModelHistories:
        """Bring histories to model items.

        Args:
            histories: B subjects.
            codes: The model item of each item code, from `codes`.
            as_of: The day (since 1970) that is scored for, one for all or int64 [B].
        """
        return fold_histories(histories, codes, items=len(self.vocabulary), as_of=as_of)

    def score(self, histories: ModelHistories, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [B, C]: the score of each candidate; without any history, that of someone nothing is known of.

        Raises:
            ContractError: A history holds what cannot be ranked, candidates do not ascend, or are no model items.
        """
        self._check_items(candidates, ascending=True)
        # Kernels treat the end of an array otherwise than its middle, in a score's last bit: there stands padding.
        padded = np.full(_beyond(len(candidates)), len(self.vocabulary), np.int64)
        padded[: len(candidates)] = candidates
        return self._run(SCORES, histories, {CANDIDATES: padded}, (len(padded),))[:, : len(candidates)]

    def affinities(self, histories: ModelHistories, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [B, N]: the folded-in factorization's score of each item, part of what `score` looks at.

        Raises:
            ContractError: A history holds what cannot be ranked, or items are no model items.
        """
        self._check_items(items)
        return self._run(AFFINITIES, histories, {RECALLED: items}, (len(items),))

    def contributions(self, histories: ModelHistories, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [B, N, L]: what each model item of the history adds to each item's affinity; sums to it.

        Raises:
            ContractError: As `affinities`.
        """
        self._check_items(items)
        return self._run(CONTRIBUTIONS, histories, {EXPLAINED: items}, (len(items), histories.items.shape[1]))

    def _check_items(self, items: NDArray[np.int64], *, ascending: bool = False) -> None:
        """Refuse what are no model items; the graph would count negative ones from the end, and rank padding.

        Args:
            items: What is asked for.
            ascending: Whether each has to be above the one before it: then only the ends are looked at.
        """
        array = isinstance(items, np.ndarray)
        if not array or items.ndim != 1 or items.dtype != np.int64:
            kind = f"{items.ndim}-d {items.dtype}" if array else f"of type {type(items).__name__}"
            mend = "Take them from Scorer.codes, in an int64 array"
            raise ContractError(f"model items are {kind}, not 1-d int64", mend=mend)
        if ascending and not (items[1:] > items[:-1]).all():
            raise ContractError("candidates do not ascend", mend="Sort them, each once")
        if outside(items[[0, -1]] if ascending and len(items) else items, len(self.vocabulary)):
            raise ContractError(
                "asks for model items that do not exist", mend=f"There are {len(self.vocabulary)}, from 0 on"
            )

    def _run(
        self,
        output: str,
        histories: ModelHistories,
        asked: Mapping[str, NDArray[np.int64]],
        shape: tuple[int, ...],
    ) -> NDArray[np.float32]:
        """Run in batches of histories of about the same length; what only other outputs need is left empty."""
        histories.check(len(self.vocabulary))
        none = np.empty(0, np.int64)
        constant = {CANDIDATES: none, EXPLAINED: none, RECALLED: none, ITEM_STATISTICS: self.items, **asked}
        result = np.zeros((len(histories), *shape), np.float32)
        for rows, part in _alike(histories, _PAIR if shape[0] < _MANY else _TOGETHER):
            feed = constant | {
                HISTORY_ITEMS: part.items,
                PURCHASE_SLOTS: part.slots,
                PURCHASE_AGES: part.ages,
                PURCHASE_TRIPS: part.trips,
                PURCHASE_QUANTITIES: part.quantities,
            }
            found = self._session.run([output], feed)[0]
            result[rows, ..., : found.shape[-1]] = found
        return result


def _beyond(length: int) -> int:
    """The next multiple of the lanes above a length."""
    return (length // LANES + 1) * LANES


def _alike(histories: ModelHistories, together: int) -> Iterator[tuple[NDArray[np.int64], ModelHistories]]:
    """A few histories at a time, of about the same length, each with its positions."""
    if 0 < len(histories) <= together:
        yield np.arange(len(histories)), histories
        return
    order = np.argsort(histories.lengths, kind="stable")
    for start in range(0, len(order), together):
        rows = order[start : start + together]
        yield rows, histories.rows(rows)
