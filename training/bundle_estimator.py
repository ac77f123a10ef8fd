"""The whole way from purchases to a ranking as one estimator in scikit-learn's manner: `training.fit`, no other way."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from recsys.amounts import amount
from recsys.contracts.subjects import Purpose
from recsys.errors import ContractError
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.topk import list_top
from recsys.history import ItemIndex, day_number, histories
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.dataset import Dataset, dataset_of
from training.estimator_input import item_codes, list_length, plain_day, polars_frame, purchase_lines
from training.estimator_options import options_of, told_in_python
from training.fit import fit
from training.levels import LevelChoice
from training.profiles import Profile
from training.settings import ItemTable, Settings

FEW: Final = 0.5  # of the people that were learned from: statistics of fewer are told of


class BundleWarning(UserWarning):
    """What whoever trusts a bundle's scores should know."""


class BundleEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Learns a bundle from purchases, and ranks model items for anyone's history, learned from or not.

    What is asked as of a day of the caller's is answered with item statistics computed strictly before it, from the
    purchases given or from `counted`. Warns of a day before that up to which was learned: the model itself has seen
    what came after. Pickles without `scorer_`, which is made again from `bundle_`, so that joblib may hand it to its
    workers.

    Warns as scikit-learn does, by `warnings.warn` with a category of its own, `BundleWarning`: whoever asks for nothing
    sees it, and may filter it or make it an error. What `fit` warned of, word for word what `recsys-train fit` says, is
    kept in `warnings_`, too: nobody sees the warnings of a worker, or those of a fit last month.

    What the command takes beside these parameters is of the purchases, and stands in a `Dataset`: subjects, catalogue,
    guards and the last day (`training.dataset.read_dataset`; `dataset_of` for frames with a catalogue).

    Args:
        name: The bundle's: lower-case letters, digits and hyphens.
        level: What a model item is: "item", "type", or "auto".
        profile: How much work to do: "default", "large", or "test".
        settings: Given ones, nothing is searched for then; None: chosen from the purchases.
        budget: Of the search: trials (12) or a time ("90s", "5m", "2h"); None: as the profile says.
        random_state: 0 to 2³¹ - 1. The same number, purchases and trials give the same bundle, byte for byte; a time
            gives as many trials as the machine was free for.
        item_table: What factors are in the graph: "float32", or "int8" where lists stay the same; None: as the settings
            say.

    Attributes:
        bundle_: What `training.export.seal` signs. Its manifest has what the command shows: how many people and model
            items were learned from, the settings, how near the graph comes to the model, and privacy.
        warnings_: What `fit` warned of.
        scorer_: The bundle's scorer; the methods below are shorter ways to it.
    """

    def __init__(  # noqa: PLR0913 - an estimator's parameters are its arguments
        self,
        name: str = "model",
        *,
        level: LevelChoice | str = LevelChoice.AUTO,
        profile: Profile | str = Profile.DEFAULT,
        settings: Settings | None = None,
        budget: int | str | None = None,
        random_state: int = 0,
        item_table: ItemTable | str | None = None,
    ) -> None:
        self.name = name
        self.level = level
        self.profile = profile
        self.settings = settings
        self.budget = budget
        self.random_state = random_state
        self.item_table = item_table

    def fit(self, X: Dataset | pl.DataFrame, y: None = None) -> BundleEstimator:  # noqa: ARG002, N803 - scikit-learn's way
        """Learn.

        Args:
            X: What `training.dataset.read_dataset` reads: who did not agree to training is not in it. Or a frame in the
                purchases contract, on the caller's word that everyone agreed.
            y: There is none.

        Raises:
            ValueError: Parameters mean nothing, or `level` is "type" and there is no catalogue.
            ContractError: The purchases break their contract, or too little is left to learn from.
            BundleError: No graph answers what the model answers.
        """
        options = options_of(self.get_params(deep=False))
        with told_in_python():
            dataset = X if isinstance(X, Dataset) else dataset_of(polars_frame(X, where="purchases"))
        if options.level is LevelChoice.TYPE and dataset.catalogue is None:
            raise ValueError("level 'type' needs a catalogue: fit dataset_of(purchases, catalogue), or what has one")
        with told_in_python():
            fitted = fit(dataset, options)
        self.bundle_, self.warnings_ = fitted.bundle, fitted.warnings
        self.scorer_ = Scorer(self.bundle_)
        for warning in self.warnings_:
            warnings.warn(warning, BundleWarning, stacklevel=2)
        return self

    def predict(
        self,
        X: Dataset | pl.DataFrame,  # noqa: N803 - scikit-learn's name
        as_of: dt.date | None = None,
        *,
        counted: Dataset | pl.DataFrame | None = None,
    ) -> NDArray[np.float32]:
        """float32 [subjects, model items]: the chance that each is bought next; subjects in the order of their tokens.

        Warns where people have no history that the bundle can use, or where item statistics count few.

        Args:
            X: Who bought what: as `fit` takes it.
            as_of: Nothing dated on or after this day is used; None: the day up to which the bundle was learned.
            counted: Everyone's purchases, where `X` are only a few people's: item statistics are computed from them.
                None: from `X`; where `as_of` is None too, they are the bundle's own.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Purchases break their contract, or too few people are counted.
            TypeError: `as_of` is no day.
        """
        lines, day = self._asked(X, as_of)
        scorer = self._scorer(X if counted is None and as_of else counted, day)
        folded = self._folded(lines, day)
        _warn_of_strangers(int((~folded.known).sum()), day, "they are scored as someone of whom nothing is known")
        return scorer.score(folded, np.arange(len(scorer.vocabulary)))

    def rank(
        self,
        purchases: Dataset | pl.DataFrame,
        as_of: dt.date | None = None,
        *,
        k: int = 10,
        counted: Dataset | pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        """`subject, rank, item, score`: the k best model items of everyone with a history that the bundle can use.

        Takes `as_of` and `counted` as `predict` does, and warns where that does.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Nobody has such a history; or as `predict`.
            TypeError: `as_of` is no day.
            ValueError: `k` is no length.
        """
        lines, day = self._asked(purchases, as_of)
        length = list_length(k, name="k")
        scorer = self._scorer(purchases if counted is None and as_of else counted, day)
        with told_in_python():
            lists = list_top(scorer, lines, day, k=length)
        _warn_of_strangers(lists.left_out, day, "no list for them")
        return lists.rows

    def contributions(
        self,
        purchases: Dataset | pl.DataFrame,
        items: Sequence[str],
        as_of: dt.date | None = None,
    ) -> NDArray[np.float32]:
        """float32 [subjects, items, L]: what each model item of a history (`fold(...).items`) adds to folded-in scores.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Items are no model items of the bundle, or purchases break their contract.
            TypeError: `as_of` is no day, or `items` is one text.
        """
        lines, day = self._asked(purchases, as_of)
        codes = item_codes(items, self.bundle_)
        return self.scorer_.contributions(self._folded(lines, day), codes)

    def fold(self, purchases: Dataset | pl.DataFrame, as_of: dt.date | None = None) -> ModelHistories:
        """Histories as `scorer_` takes them, in the order of their subjects' tokens.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Purchases break their contract.
            TypeError: `as_of` is no day.
        """
        return self._folded(*self._asked(purchases, as_of))

    def __getstate__(self) -> dict[str, Any]:
        """Without the scorer: its session lives in this process."""
        return {name: value for name, value in super().__getstate__().items() if name != "scorer_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With a scorer, where there is a bundle."""
        super().__setstate__(state)
        if "bundle_" in state:
            self.scorer_ = Scorer(self.bundle_)

    def _asked(self, given: Dataset | pl.DataFrame, as_of: dt.date | None) -> tuple[pl.DataFrame, dt.date]:
        """Whose histories are asked for, and as of which day."""
        check_is_fitted(self)
        until = self.bundle_.manifest.data.until
        day = until if as_of is None else plain_day(as_of, name="as_of")
        if day < until:
            warnings.warn(
                f"The bundle was trained on days before {until}, which lies after {day}: do not judge what it says on "
                "what was bought in between",
                BundleWarning,
                stacklevel=3,
            )
        return purchase_lines(given, self.bundle_, where="purchases"), day

    def _scorer(self, counted: Dataset | pl.DataFrame | None, day: dt.date) -> Scorer:
        """With item statistics as of the day; None: with the bundle's own."""
        if counted is None:
            return self.scorer_
        told = counted.lineage.consent if isinstance(counted, Dataset) else None
        if self.bundle_.manifest.data.consent == Purpose.TRAINING != told:
            warnings.warn(
                "Item statistics count everyone in the purchases, and the bundle was learned only from those who "
                "agreed to training: give a dataset that was read with its subjects",
                BundleWarning,
                stacklevel=3,
            )
        lines = purchase_lines(counted, self.bundle_, where="counted purchases")
        index = ItemIndex.of(lines["item"].unique().sort())
        scorer = self.scorer_.refreshed(self.bundle_.statistics)
        FreshStatistics(scorer, lines, index, scorer.codes(index)).refresh(day)
        if scorer.statistics.is_empty():
            raise ContractError(
                f"no model item has {self.bundle_.manifest.min_buyers} buyers before {day}",
                where="counted purchases",
                mend="Give everyone's purchases as counted, or leave as_of out",
            )
        people, learned = lines.filter(pl.col("day") < day)["subject"].n_unique(), self.bundle_.manifest.data.subjects
        if people < FEW * learned:
            warnings.warn(
                f"Item statistics count {people:,} people before {day}, and the bundle was learned from {learned:,}: "
                "popularity is that of few. Give everyone's purchases as counted, or leave as_of out",
                BundleWarning,
                stacklevel=3,
            )
        return scorer

    def _folded(self, lines: pl.DataFrame, day: dt.date) -> ModelHistories:
        index = ItemIndex.of(lines["item"].unique().sort())
        everyone = lines["subject"].unique().sort().to_list()
        known = histories(lines, index, until=day, subjects=everyone)
        return self.scorer_.fold(known, self.scorer_.codes(index), as_of=day_number(day))


def _warn_of_strangers(number: int, day: dt.date, so: str) -> None:
    if number:
        warnings.warn(
            f"{amount(number, 'subject has', 'subjects have')} no history that the bundle can use before {day}: {so}",
            BundleWarning,
            stacklevel=3,
        )
