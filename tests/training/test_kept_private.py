"""A shop of a thousand people gets a bundle, and its factors tell nobody who was learned from."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import sparse
from support.tastes import Shop, Train, lines
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.history import ItemIndex, day_number
from training.bars import BAR
from training.factorize import Factorization
from training.membership import attack
from training.plan import Work
from training.privacy import Private, kept_private
from training.profiles import EFFORTS, Profile
from training.record import Record
from training.settings import FactorizationSettings, Settings
from training.snapshot import World

FIRST = dt.date(2024, 1, 1)
FACTORS = 16


def kept(by_whom: NDArray[np.bool_], regularization: float) -> Private:
    """Of who bought what, [subjects, items], all on a day of its own."""
    subject, item = np.nonzero(by_whom)
    names = [f"i{number:04}" for number in range(by_whom.shape[1])]
    daily = pl.DataFrame(
        {
            "subject": [f"s{number:05}" for number in subject],
            "item": [names[number] for number in item],
            "day": [FIRST + dt.timedelta(days=int(number) % 50) for number in item],
            "quantity": np.ones(len(item)),
        }
    )
    record = Record.of(daily, ItemIndex.of(names), np.zeros(len(names), np.int64))
    world = World.of(record, 28.0, min_buyers=5)
    factorization = FactorizationSettings(factors=FACTORS, iterations=6, regularization=regularization)
    work = Work(world, [], day_number(FIRST) + 50, EFFORTS[Profile.TEST], 0)
    return kept_private(work, Settings(factorization=factorization))


def bought(subjects: int, items: int, lines: float, seed: int = 0) -> NDArray[np.bool_]:
    """Five tastes, and items that are popular in different degrees."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, items + 1) ** 0.7
    taste = np.where(np.arange(items)[None] % 5 == np.arange(subjects)[:, None] % 5, 4.0, 1.0) * popularity
    return np.asarray(rng.random((subjects, items)) < np.minimum(0.9, lines * taste / taste.sum(axis=1, keepdims=True)))


def test_what_hides_members_already_stays_as_it_is() -> None:
    private = kept(bought(1_100, 40, 12), 1.0)
    assert private.figures["regularization_raised"] == 0
    assert private.settings.factorization.regularization == 1.0
    assert private.figures["membership_auc_beyond"] != private.figures["membership_auc_factors"]
    assert private.figures["membership_auc"] == private.figures["membership_auc_factors"] <= BAR
    assert private.warnings == ()


@pytest.mark.slow
def test_factors_that_know_people_by_heart_are_regularised_until_they_do_not() -> None:
    private = kept(bought(1_100, 40, 12), 0.4)
    assert private.figures["regularization_raised"] > 0
    raised = private.settings.factorization.regularization
    assert 0.4 < raised == float(f"{raised:.3g}")
    assert private.figures["membership_auc"] <= BAR


@pytest.mark.slow
def test_of_few_people_popularity_itself_tells_and_the_factors_add_nothing() -> None:
    private = kept(bought(1_000, 400, 8), 0.8)
    assert private.figures["membership_auc_popularity"] > BAR
    assert private.figures["membership_auc"] == private.figures["membership_auc_beyond"] <= BAR
    assert private.settings.factorization.regularization < 5  # the factorization is not given up for it
    assert "how often each item was bought tells" in " ".join(private.warnings)


def test_factors_that_have_vanished_tell_nothing() -> None:
    counts = sparse.csr_matrix(bought(300, 60, 6).astype(np.float32))
    told = attack(Factorization(8, regularization=1e9, iterations=4, random_state=0), counts, seed=0)
    assert told.factors == told.beyond == told.held == 0.5
    assert told.popularity > 0.5


@pytest.mark.slow
def test_where_small_steps_do_not_hide_them_leaps_do_and_it_is_said() -> None:
    """Twenty people buy the same eight items and nobody else does: the factors know them well or not at all."""
    group = np.arange(1_000)[:, None] % 50 == np.arange(400)[None] // 8
    private = kept(group & (np.random.default_rng(0).random(group.shape) < 0.9), 0.1)
    assert private.figures["regularization_raised"] > 20
    assert private.figures["membership_auc"] <= BAR
    assert "little or nothing may be left of the factorization" in " ".join(private.warnings)


@pytest.mark.slow
def test_a_shop_of_a_thousand_gets_a_bundle_with_figures_of_what_ships(
    tmp_path: Path, train: Train, shop: Shop
) -> None:
    rng = np.random.default_rng(0)
    subject, item = np.nonzero(bought(1_000, 300, 8))
    when = rng.integers(0, 200, len(subject))
    names = [token(number) for number in range(1_000)]
    rows = [(names[who], f"i{what:03}", int(day), 1.0) for who, what, day in zip(subject, item, when, strict=True)]
    lines(rows).write_parquet(tmp_path / "purchases.parquet")
    options = shop.options(tmp_path / "models", purchases=tmp_path / "purchases.parquet", budget="1")
    done = train("fit", *options, "--json")
    assert done.returncode == 0, done.stderr
    manifest = load_bundle(done.bundle, trust=shop.trust).manifest
    assert manifest.privacy["regularization_raised"] > 0
    assert manifest.privacy["membership_auc"] <= BAR
    assert manifest.metrics["factorization_mixed_ndcg"] != manifest.trials[0]["quality"]["mixed"]


@pytest.mark.slow
def test_a_bundle_whose_factors_have_vanished_is_written(shop: Shop, tmp_path: Path, train: Train) -> None:
    ranker = "[ranker]\nhidden = [8]\nseeds = 1\nepochs = 2\nresample = 5000\ndistilled = false\n"
    text = f"[factorization]\nfactors = 8\nregularization = 1e9\n{ranker}"
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    done = train("fit", *shop.options(tmp_path / "models", config=tmp_path / "config.toml"), "--json")
    assert done.returncode == 0, done.stderr
    assert done.json["privacy"]["membership_auc"] == 0.5
    assert load_bundle(done.bundle, trust=shop.trust).manifest.parity["same_top"] == 1


def test_below_a_thousand_people_the_figure_is_told_and_not_acted_on() -> None:
    private = kept(bought(990, 60, 6), 0.02)
    assert private.figures["membership_auc"] > BAR
    assert private.figures["regularization_raised"] == 0
    assert private.warnings == ()
