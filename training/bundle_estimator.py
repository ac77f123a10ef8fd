"""The whole way from purchases to a ranking as one estimator in scikit-learn's manner: `training.fit`, no other way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from recsys.errors import UsageError
from recsys.evaluation.topk import list_top
from recsys.history import ItemIndex, day_number, histories
from recsys.model_histories import ModelHistories
from recsys.scorer import Scorer
from training.budget import Budget, parse_budget
from training.dataset import Dataset, dataset_of
from training.fit import Options, fit
from training.levels import LevelChoice
from training.plan import Search
from training.profiles import Profile
from training.registry import check_name
from training.settings import Settings


class BundleEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Learns a bundle from purchases, and ranks model items for anyone's history, learned from or not.

    Args:
        name: The bundle's: lower-case letters, digits and hyphens.
        level: What a model item is: "item", "type", or "auto".
        profile: How much work to do: "default", "large", or "test".
        settings: Given ones, nothing is searched for then; None: chosen from the purchases.
        budget: Of the search: trials (12) or a time ("90s", "5m", "2h"); None: as the profile says.
        random_state: The same number, purchases and trials give the same bundle, byte for byte; a time gives as many
            trials as the machine was free for.

    Attributes:
        bundle_: What `training.export.seal` signs.
        warnings_: What whoever reads the scores should know.
        scorer_: The bundle's scorer; the methods below are shorter ways to it.
    """

    def __init__(
        self,
        name: str = "model",
        *,
        level: LevelChoice | str = LevelChoice.AUTO,
        profile: Profile | str = Profile.DEFAULT,
        settings: Settings | None = None,
        budget: int | str | None = None,
        random_state: int = 0,
    ) -> None:
        self.name = name
        self.level = level
        self.profile = profile
        self.settings = settings
        self.budget = budget
        self.random_state = random_state

    def fit(self, X: Dataset | pl.DataFrame, y: None = None) -> BundleEstimator:  # noqa: ARG002, N803 - scikit-learn's way
        """Learn.

        Args:
            X: What `training.dataset.read_dataset` reads: who did not agree to training is not in it. Or a frame in the
                purchases contract, on the caller's word that everyone agreed.
            y: There is none.

        Raises:
            ValueError: Parameters mean nothing.
            ContractError: The purchases break their contract, or too little is left to learn from.
            BundleError: No graph answers what the model answers.
        """
        fitted = fit(X if isinstance(X, Dataset) else dataset_of(X), self._options())
        self.bundle_, self.warnings_ = fitted.bundle, fitted.warnings
        self.scorer_ = Scorer(self.bundle_)
        return self

    def predict(self, X: Dataset | pl.DataFrame, as_of: dt.date | None = None) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """float32 [subjects, model items]: the chance that each is bought next; subjects in the order of their tokens.

        Args:
            X: Who bought what: as `fit` takes it.
            as_of: Nothing dated on or after this day is used; None: the day up to which the bundle was learned.

        Raises:
            NotFittedError: Nothing was learned yet.
        """
        given = self.fold(X, as_of)
        return self.scorer_.score(given, np.arange(len(self.scorer_.vocabulary)))

    def rank(self, purchases: Dataset | pl.DataFrame, as_of: dt.date | None = None, *, k: int = 10) -> pl.DataFrame:
        """`subject, rank, item, score`: the k best model items of everyone with a history that the bundle can use.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Nobody has such a history.
        """
        check_is_fitted(self)
        return list_top(self.scorer_, _lines(purchases), self._day(as_of), k=k).rows

    def contributions(
        self,
        purchases: Dataset | pl.DataFrame,
        items: Sequence[str],
        as_of: dt.date | None = None,
    ) -> NDArray[np.float32]:
        """float32 [subjects, items, L]: what each model item of a history (`fold(...).items`) adds to folded-in scores.

        Raises:
            NotFittedError: Nothing was learned yet.
            ContractError: Items are no model items of the bundle.
        """
        given = self.fold(purchases, as_of)
        return self.scorer_.contributions(given, self.scorer_.vocabulary.encode(items).astype(np.int64))

    def fold(self, purchases: Dataset | pl.DataFrame, as_of: dt.date | None = None) -> ModelHistories:
        """Histories as `scorer_` takes them, in the order of their subjects' tokens.

        Raises:
            NotFittedError: Nothing was learned yet.
        """
        check_is_fitted(self)
        lines, day = _lines(purchases), self._day(as_of)
        index = ItemIndex.of(lines["item"].unique().sort())
        everyone = lines["subject"].unique().sort().to_list()
        known = histories(lines, index, until=day, subjects=everyone)
        return self.scorer_.fold(known, self.scorer_.codes(index), as_of=day_number(day))

    def _day(self, as_of: dt.date | None) -> dt.date:
        return as_of or self.bundle_.manifest.data.until

    def _options(self) -> Options:
        """What was asked for, as `training.fit` takes it.

        Raises:
            ValueError: It means nothing.
        """
        if self.settings is not None and self.budget is not None:
            raise ValueError("budget is of a search, and settings leave nothing to search for: leave one of them out")
        if not isinstance(self.random_state, (int, np.integer)) or self.random_state < 0:
            raise ValueError("random_state is a whole number, 0 at least: it stands in the bundle")
        try:
            check_name(self.name)
            budget = Budget() if self.budget is None else parse_budget(str(self.budget))
        except UsageError as error:
            raise ValueError(str(error)) from None
        search = Search(self.settings, budget.trials, budget.seconds)
        return Options(self.name, LevelChoice(self.level), Profile(self.profile), int(self.random_state), search)


def _lines(given: Dataset | pl.DataFrame) -> pl.DataFrame:
    return given.daily if isinstance(given, Dataset) else given
