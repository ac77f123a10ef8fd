"""The way from purchases to a ranking as an estimator: what scikit-learn's do, and what `fit` and the scorer do."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from support.commands import in_process
from support.tastes import DAYS, FIRST_DAY, REFUSED, Shop

from recsys.cli import app
from recsys.errors import ContractError
from recsys.evaluation.topk import list_top
from recsys.returns import Netted
from recsys.scorer import Scorer
from training.bundle_estimator import BundleEstimator, BundleWarning
from training.dataset import Dataset, Sources, dataset_of, read_dataset
from training.export import seal
from training.fit import Options, fit
from training.levels import LevelChoice
from training.profiles import EFFORTS, Profile
from training.registry import write_bundle
from training.settings import ItemTable
from training.signing import read_signing_key

UNTIL = FIRST_DAY + dt.timedelta(days=DAYS)
EARLY = FIRST_DAY + dt.timedelta(days=40)
SMALL = BundleEstimator("shop", profile="test", random_state=5)


@pytest.fixture(scope="module")
def lines(shop: Shop) -> pl.DataFrame:
    return pl.read_parquet(shop.purchases)


@pytest.fixture(scope="module")
def dataset(shop: Shop) -> Dataset:
    return read_dataset(Sources(shop.purchases, shop.subjects, shop.catalogue), until=UNTIL, today=UNTIL)


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> BundleEstimator:
    with pytest.warns(BundleWarning, match="1 item that was bought has no category"):
        return BundleEstimator("shop", level="type", profile="test", random_state=5).fit(dataset)


def test_a_clone_has_the_same_parameters_and_nothing_learned(model: BundleEstimator) -> None:
    settings = EFFORTS[Profile.TEST].settings
    given = {"name": "a", "level": "item", "profile": "large", "settings": settings, "budget": "5m", "random_state": 3}
    given["item_table"] = "int8"
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
    fitted = fit(dataset, options)
    files = seal(fitted.bundle, key).files
    assert seal(model.bundle_, key).files == files
    with pytest.warns(BundleWarning) as told:
        assert seal(clone(model).fit(dataset).bundle_, key).files == files
    assert tuple(str(warning.message) for warning in told) == model.warnings_ == fitted.warnings != ()
    assert {warning.filename for warning in told} == {__file__}


def test_the_item_table_is_the_commands(dataset: Dataset) -> None:
    small = clone(SMALL).set_params(item_table="int8").fit(dataset)
    search = fit(dataset, Options("shop", LevelChoice.AUTO, Profile.TEST, 5, item_table=ItemTable.INT8))
    assert small.bundle_.model == search.bundle.model
    assert small.bundle_.manifest.configuration["item_table"] == "int8"


def test_types_are_learned_with_a_catalogue_only(shop: Shop, lines: pl.DataFrame) -> None:
    by_type = clone(SMALL).set_params(level="type")
    with pytest.raises(ValueError, match=r"needs a catalogue: fit dataset_of\(purchases, catalogue\)"):
        by_type.fit(lines)
    with pytest.warns(BundleWarning, match="has no category"):
        by_type.fit(dataset_of(lines, pl.read_parquet(shop.catalogue)))
    assert by_type.bundle_.manifest.level.value == "type"


def test_predicting_is_what_the_command_scores_with_the_bundle_that_was_written(
    tmp_path: Path, shop: Shop, lines: pl.DataFrame, model: BundleEstimator
) -> None:
    """Signed, written, loaded and ranked from the files, whole lists long."""
    sealed = seal(model.bundle_, read_signing_key(shop.signing_key))
    folder, _ = write_bundle(tmp_path, "shop", sealed.manifest.version, sealed.files)
    names, top = model.bundle_.vocabulary.names, tmp_path / "top.parquet"
    files = ["--bundle", folder, "--trust", shop.trust, "--purchases", shop.purchases, "--subjects", shop.subjects]
    in_process(app, "topk", *files, "--as-of", UNTIL, "--k", len(names), "--out", top)
    listed = pl.read_parquet(top).sort("subject", pl.col("item").replace_strict(names, range(len(names))))
    found = model.predict(lines)
    assert listed["score"].to_list() == pytest.approx(found.ravel().tolist(), abs=1e-6)
    assert listed["subject"].n_unique() == len(found) > len(REFUSED)  # also those whom nothing was learned from
    assert found.std(axis=0).min() > 0.001  # people are told apart, and their rows are theirs


def test_item_statistics_are_those_strictly_before_the_day(
    lines: pl.DataFrame, dataset: Dataset, model: BundleEstimator
) -> None:
    assert np.array_equal(model.predict(dataset, UNTIL), model.predict(dataset))
    with pytest.warns(UserWarning, match="do not judge"):
        found, scores = model.rank(dataset, EARLY, k=5), model.predict(dataset, EARLY)
    before, scorer = dataset.daily.filter(pl.col("day") < EARLY), Scorer(model.bundle_)
    assert not found.equals(list_top(scorer, before, EARLY, k=5).rows)
    assert found.equals(list_top(scorer, before, EARLY, k=5, counted=before).rows)
    best = found.filter(rank=1)
    everyone = dataset.daily["subject"].unique().sort().to_list()
    rows = [everyone.index(subject) for subject in best["subject"]]
    assert scores[rows].max(axis=1).tolist() == pytest.approx(best["score"].to_list(), abs=1e-6)
    assert model.scorer_.statistics.equals(model.bundle_.statistics)
    with pytest.warns(UserWarning, match="only from those who agreed"):
        model.rank(lines, UNTIL)


def test_a_dataset_tells_what_came_back_only_after_the_day(lines: pl.DataFrame, model: BundleEstimator) -> None:
    early = lines.filter(pl.col("day") < EARLY, pl.col("quantity") > 0).select("subject", "item", "day", "quantity")
    back = early.with_columns(-pl.col("quantity"), day=pl.lit(EARLY))
    with pytest.warns(UserWarning, match="do not judge|who agreed"):
        found, expected = (model.rank(dataset_of(given), EARLY) for given in (pl.concat([early, back]), early))
    assert found.equals(expected)


def test_for_a_few_people_everyones_purchases_are_counted(dataset: Dataset, model: BundleEstimator) -> None:
    later = UNTIL + dt.timedelta(days=20)
    own = dataset.daily.filter(subject=dataset.daily["subject"].max()).select("subject", "item", "day", "quantity")
    ranked, among = model.rank(own, later, counted=dataset), model.rank(dataset, later).tail(10)
    assert ranked.drop("score").equals(among.drop("score"))
    everyone = model.predict(dataset, later)[-1:]
    assert model.predict(own, later, counted=dataset) == pytest.approx(everyone, abs=1e-6)
    assert np.array_equal(model.predict(own, counted=dataset), model.predict(own))
    with (
        pytest.warns(UserWarning, match="those who agreed"),
        pytest.raises(ContractError, match=r"5 buyers before 2024-04-20.*as counted"),
    ):
        model.rank(own, later)


def of_lines(dataset: Dataset, daily: pl.DataFrame) -> Dataset:
    """The dataset with other purchase days, and no returns."""
    return replace(dataset, bought=Netted(daily, dataset.bought.returned.clear()))


def test_statistics_of_few_are_told_of(dataset: Dataset, model: BundleEstimator) -> None:
    """Of ten people of fifty some items have five buyers; of all of them, who is asked about does not matter."""
    few, later = dataset.daily["subject"].unique().sort()[:10], UNTIL + dt.timedelta(days=2)
    own = dataset.daily.filter(pl.col("subject").is_in(few.to_list()))
    some = of_lines(dataset, own)
    for ask in (model.rank, model.predict):
        with pytest.warns(BundleWarning, match="count 10 people before 2024-04-02, .* learned from 50") as told:
            ask(some, later)
        assert [warning.filename for warning in told] == [__file__]
        ask(some, later, counted=dataset)
        ask(some)


def test_who_has_no_history_by_then_is_told(dataset: Dataset, model: BundleEstimator) -> None:
    first = dataset.daily.group_by("subject").agg(pl.col("day").min()).sort("day")["day"]
    day = first[len(first) // 2]
    late = (first >= day).sum()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ranked = model.rank(dataset, day, counted=dataset)
    assert 0 < ranked["subject"].n_unique() == len(first) - late
    assert f"{late} subjects have no history" in str(told[-1].message)
    unknown = dataset.daily.head(1).with_columns(item=pl.lit("nothing that is sold"))
    with pytest.warns(BundleWarning, match="1 subject has no history .* nothing is known") as said:
        model.predict(of_lines(dataset, unknown))
    assert [warning.filename for warning in said] == [__file__]


def test_it_goes_to_another_process_and_answers_the_same(dataset: Dataset, model: BundleEstimator) -> None:
    there = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes of this moment
    assert np.array_equal(there.predict(dataset), model.predict(dataset))
    assert there.get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(SMALL)).get_params() == SMALL.get_params()  # noqa: S301 - the same


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


def test_items_that_are_none_are_told_by_their_places(lines: pl.DataFrame, model: BundleEstimator) -> None:
    known = model.bundle_.vocabulary.names[0]
    with pytest.raises(ContractError, match=r"^items\[1\] do not exist .* at level type") as error:
        model.contributions(lines, [known, "ann@example.com"])
    assert "example.com" not in str(error.value)
    with pytest.raises(ContractError, match=r"items\[0\], items\[1\], items\[3\] and 2 more do"):
        model.contributions(lines, ["a", "b", known, *"cde"])
    with pytest.raises(TypeError, match="one text"):
        model.contributions(lines, known)
    assert model.contributions(lines, []).shape[:2] == (lines["subject"].n_unique(), 0)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda lines: lines.with_columns(subject=pl.lit("ann@example.com")), r"row 1, column 'subject'"),
        (
            lambda lines: lines.with_columns(subject=pl.col("subject").str.replace(".rec.", ".ads.", literal=True)),
            "domain",
        ),
        (lambda lines: lines.with_columns(item=pl.lit(None, pl.String)), r"column 'item'"),
        (lambda lines: lines.drop("quantity"), r"column 'quantity' is missing"),
        (lambda lines: lines.with_columns(quantity=pl.lit(float("inf"))), r"column 'quantity'"),
        (lambda lines: lines.with_columns(day=pl.lit("soon")), r"column 'day' is not a date"),
        (lambda lines: lines.with_columns(pl.col("day").cast(pl.Datetime)), r"column 'day' has type Datetime"),
        (lambda lines: lines.clear(), "no rows"),
        (lambda lines: lines.lazy(), r"collect\(\)"),
        (lambda lines: lines.to_dict(), r"a builtins.dict, not a polars.DataFrame"),
    ],
    ids=["e-mail", "domain", "no item", "no quantity", "infinite", "text", "datetime", "empty", "lazy", "dict"],
)
def test_what_is_no_purchase_is_refused_clearly(
    lines: pl.DataFrame,
    dataset: Dataset,
    model: BundleEstimator,
    spoilt: Callable[[pl.DataFrame], Any],
    message: str,
) -> None:
    asked = (
        model.rank,
        model.predict,
        model.fold,
        lambda given: model.contributions(given, []),
        lambda given: model.rank(dataset, counted=given),
        lambda given: model.predict(dataset, counted=given),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of who agreed
        for ask in asked:
            with pytest.raises(ContractError, match=message) as error:
                ask(spoilt(lines))
            assert "example.com" not in str(error.value)
    if message != "domain":
        with pytest.raises(ContractError, match=message):
            clone(SMALL).fit(spoilt(lines))


@pytest.mark.parametrize("day", ["2025-10-01", dt.datetime(2025, 10, 1, tzinfo=dt.UTC), 20000])
def test_a_day_is_a_day(lines: pl.DataFrame, model: BundleEstimator, day: object) -> None:
    asked: list[Callable[..., object]] = [model.rank, model.predict, model.fold]
    for ask in (*asked, lambda given, as_of: model.contributions(given, [], as_of)):
        with pytest.raises(TypeError, match=r"as_of is a \w+, not a datetime\.date"):
            ask(lines, day)


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", True])
def test_a_list_has_a_length(lines: pl.DataFrame, model: BundleEstimator, k: object) -> None:
    ask: Callable[..., object] = model.rank
    with pytest.raises(ValueError, match="k is a whole number, 1 at least"):
        ask(lines, k=k)


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
        ({"name": "A shop"}, "^name: is not a name"),
        ({"level": "aisle"}, "level is one of item, type, auto, not 'aisle'"),
        ({"profile": "quick"}, "profile is one of test, default, large, not 'quick'"),
        ({"profile": None}, "profile is one of"),
        ({"item_table": "int4"}, "item_table is one of float32, int8, not 'int4'"),
        ({"name": None}, "^name: is not a name"),
        ({"budget": "soon"}, "budget"),
        ({"budget": 0}, "^budget: is no budget. Give trials, as 12"),
        ({"budget": True}, "^budget: "),
        ({"budget": 3, "settings": EFFORTS[Profile.TEST].settings}, "leave one of them out"),
        ({"random_state": None}, "random_state"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": 2**31}, "random_state is a whole number from 0 to 2147483647"),
        ({"random_state": True}, "random_state"),
        ({"settings": "x"}, "settings are a str, not training.settings.Settings"),
        ({"settings": {}}, "settings are a dict"),
        ({"settings": {"factorization": {}}}, "settings are a dict"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(
    lines: pl.DataFrame, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clone(SMALL).set_params(**changed).fit(lines)


def test_the_greatest_seed_of_the_command_is_one(lines: pl.DataFrame) -> None:
    assert clone(SMALL).set_params(random_state=np.int64(2**31 - 1)).fit(lines).bundle_.manifest.seed == 2**31 - 1


def test_no_error_names_an_option_of_the_command(lines: pl.DataFrame, model: BundleEstimator) -> None:
    foreign, first = lines.with_columns(item=pl.lit("elsewhere")), pl.col("day") == pl.col("day").min()
    asked: list[tuple[Callable[[], object], str]] = [
        (lambda: model.rank(foreign), "^purchases: nobody has a history"),
        (lambda: clone(SMALL).fit(lines.filter(pl.col("item") == lines["item"][0])), "^purchases: 1 item was bought"),
        (lambda: clone(SMALL).fit(lines.filter(first)), "1 day of purchases is left to learn from, .* and until"),
    ]
    for ask, message in asked:
        with pytest.raises(ContractError, match=message) as error:
            ask()
        assert "--" not in str(error.value)


def test_the_budget_is_that_of_the_search(lines: pl.DataFrame) -> None:
    assert len(clone(SMALL).set_params(budget=2).fit(lines).bundle_.manifest.trials) == 2
