"""The way from purchases to a ranking as an estimator: what scikit-learn's do, and what `fit` and the scorer do."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from support.tastes import DAYS, FIRST_DAY, REFUSED, Shop

from recsys.errors import ContractError
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer
from training.bundle_estimator import BundleEstimator
from training.dataset import Dataset, Sources, read_dataset
from training.export import seal
from training.fit import Options, fit
from training.levels import LevelChoice
from training.profiles import EFFORTS, Profile
from training.signing import read_signing_key

UNTIL = FIRST_DAY + dt.timedelta(days=DAYS)
SMALL = BundleEstimator("shop", profile="test", random_state=5)


@pytest.fixture(scope="module")
def lines(shop: Shop) -> pl.DataFrame:
    return pl.read_parquet(shop.purchases)


@pytest.fixture(scope="module")
def dataset(shop: Shop) -> Dataset:
    return read_dataset(Sources(shop.purchases, shop.subjects, shop.catalogue), until=UNTIL, today=UNTIL)


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> BundleEstimator:
    return BundleEstimator("shop", level="type", profile="test", random_state=5).fit(dataset)


def test_a_clone_has_the_same_parameters_and_nothing_learned(model: BundleEstimator) -> None:
    settings = EFFORTS[Profile.TEST].settings
    given = {"name": "a", "level": "item", "profile": "large", "settings": settings, "budget": "5m", "random_state": 3}
    assert clone(BundleEstimator(**given)).get_params() == given
    assert clone(SMALL).set_params(**given).get_params() == given
    with pytest.raises(NotFittedError):
        clone(model).rank(pl.DataFrame())


def test_predicting_before_learning_is_refused(lines: pl.DataFrame) -> None:
    for early in (SMALL.predict, SMALL.rank, SMALL.fold, lambda given: SMALL.contributions(given, ["item-00"])):
        with pytest.raises(NotFittedError):
            early(lines)


def test_it_is_the_fit_of_the_command_and_the_same_every_time(
    shop: Shop, dataset: Dataset, model: BundleEstimator
) -> None:
    key = read_signing_key(shop.signing_key)
    options = Options("shop", LevelChoice.TYPE, Profile.TEST, 5)
    files = seal(fit(dataset, options).bundle, key).files
    assert seal(model.bundle_, key).files == files
    assert seal(clone(model).fit(dataset).bundle_, key).files == files
    assert any("have no category" in warning for warning in model.warnings_)


def test_predicting_is_what_the_scorer_scores(lines: pl.DataFrame, model: BundleEstimator) -> None:
    for day in (UNTIL, FIRST_DAY + dt.timedelta(days=40)):
        scorer, index = Scorer(model.bundle_), ItemIndex.of(lines["item"].unique().sort())
        everyone = lines["subject"].unique().sort().to_list()
        known = histories(lines, index, until=day, subjects=everyone)
        given = scorer.fold(known, scorer.codes(index), as_of=day_number(day))
        expected = scorer.score(given, np.arange(len(scorer.vocabulary)))
        found = model.predict(lines, None if day == UNTIL else day)
        assert np.array_equal(found, expected)
        assert len(found) == len(everyone) > len(REFUSED)  # also those whom nothing was learned from


def test_a_ranking_is_the_best_of_what_is_predicted(lines: pl.DataFrame, model: BundleEstimator) -> None:
    ranked, scores = model.rank(lines, k=3), model.predict(lines)
    names = model.bundle_.vocabulary.names
    for subject, own in zip(lines["subject"].unique().sort(), scores, strict=True):
        best = sorted(range(len(names)), key=lambda item: (-own[item], item))[:3]
        rows = ranked.filter(subject=subject)
        assert rows["item"].to_list() == [names[item] for item in best]
        assert rows["score"].to_list() == pytest.approx(own[best].tolist())


def test_contributions_sum_to_the_folded_in_score(lines: pl.DataFrame, model: BundleEstimator) -> None:
    items = list(model.bundle_.vocabulary.names[2:5])
    added = model.contributions(lines, items)
    affinities = model.scorer_.affinities(model.fold(lines), np.array([2, 3, 4]))
    assert added.sum(axis=2) == pytest.approx(affinities, abs=1e-5)
    with pytest.raises(ContractError, match="do not exist"):
        model.contributions(lines, ["nothing that is sold"])


def test_a_frame_is_taken_on_the_callers_word(lines: pl.DataFrame, shop: Shop) -> None:
    dataset = read_dataset(Sources(shop.purchases), until=None, today=UNTIL)
    one, other = clone(SMALL).fit(lines), clone(SMALL).fit(dataset)
    assert one.bundle_.model == other.bundle_.model
    assert one.bundle_.statistics.equals(other.bundle_.statistics)
    assert one.bundle_.manifest.data.consent == "assumed"
    with pytest.raises(ContractError):
        clone(SMALL).fit(lines.drop("day"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "A shop"}, "name"),
        ({"level": "aisle"}, "aisle"),
        ({"profile": "quick"}, "quick"),
        ({"budget": "soon"}, "budget"),
        ({"budget": 0}, "budget"),
        ({"budget": 3, "settings": EFFORTS[Profile.TEST].settings}, "leave one of them out"),
        ({"random_state": None}, "random_state"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(
    lines: pl.DataFrame, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clone(SMALL).set_params(**changed).fit(lines)


def test_the_budget_is_that_of_the_search(lines: pl.DataFrame) -> None:
    assert len(clone(SMALL).set_params(budget=2).fit(lines).bundle_.manifest.trials) == 2
