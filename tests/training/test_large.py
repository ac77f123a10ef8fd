"""`--profile large`: the whole way through the command, and how little it looks at where there is much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.tastes import FIRST_DAY, SUBJECTS, Shop, Train, lines, purchases

from recsys.bundle import load_bundle
from recsys.history import ItemIndex, day_number
from recsys.purchase_log import PurchaseLog
from recsys.statistics import statistics_of
from training.learning import ranker_rows
from training.profiles import EFFORTS, Profile
from training.record import Record
from training.settings import FactorizationSettings, Settings
from training.snapshot import World
from training.windows import examples_of, time_scale

LARGE = EFFORTS[Profile.LARGE]
UNTIL = day_number(FIRST_DAY) + 91
QUICK = Settings(factorization=FactorizationSettings(factors=4, iterations=2))


@pytest.fixture(scope="module")
def daily() -> pl.DataFrame:
    """Of the made-up shop, one row a subject, item and day."""
    return purchases().filter(pl.col("quantity") > 0).unique(["subject", "item", "day"]).sort("subject", "day", "item")


@pytest.fixture(scope="module")
def world(daily: pl.DataFrame) -> World:
    return world_of(daily)


def world_of(daily: pl.DataFrame) -> World:
    vocabulary = ItemIndex.of(daily["item"].unique().sort())
    record = Record.of(daily, vocabulary, np.zeros(len(vocabulary), np.int64))
    return World.of(record, time_scale(record, UNTIL), 2)


@pytest.mark.parametrize(("rows", "learned"), [(1_500, 1_000), (500, 1_000), (100_000, 30)])
def test_no_more_is_learned_from_than_the_effort_says(world: World, rows: int, learned: int) -> None:
    found, whole = (
        ranker_rows(world, examples_of(world.record, UNTIL), QUICK, effort, seed=0)
        for effort in (replace(LARGE, rows=rows, learned=learned), LARGE)
    )
    assert found is not None
    assert whole is not None
    assert len(found.bought) <= rows
    assert len(found.bought) < len(whole.bought)
    assert 0.02 < found.bought.mean() <= 0.8, "what was bought leaves room for what was not"
    assert found.weight.min() > 0


def test_the_effort_holds_where_half_of_the_people_buy_nearly_everything() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (SUBJECTS[person], f"item-{item:02}", day, 1.0)
        for person in range(40)
        for day in range(0, 91, 7)
        for item in rng.choice(80, 40 if person % 2 else 1, replace=False)
    ]
    world = world_of(lines(rows))
    found = ranker_rows(world, examples_of(world.record, UNTIL), QUICK, replace(LARGE, rows=1_000), seed=0)
    assert found is not None
    assert len(found.bought) <= 1_000
    assert found.bought.any()
    assert not found.bought.all()


def test_factors_of_a_trial_are_learned_from_no_more_people_than_it_says(world: World) -> None:
    estimator = QUICK.factorization.estimator(3)
    learned = {
        people: np.flatnonzero(world.lens(estimator, UNTIL, None, people).fold.mean_beyond_one)
        for people in (None, 1_000, 1)
    }
    assert np.array_equal(learned[None], learned[1_000])
    baskets = [np.unique(world.record.item[world.record.owner == person]) for person in range(world.record.subjects)]
    assert any(np.array_equal(learned[1], basket) for basket in baskets)
    assert len(learned[1]) < len(learned[None])
    assert LARGE.people is not None


def test_histories_are_those_before_each_day(world: World) -> None:
    record = world.record
    subjects = np.array([7, 3, 3, 0, record.subjects - 1])
    ends = np.array([UNTIL, UNTIL - 40, UNTIL - 70, 0, UNTIL - 1])
    found = record.until(subjects, ends)
    for place, (subject, end) in enumerate(zip(subjects, ends, strict=True)):
        mine = (record.owner == subject) & (record.day < end)
        rows = slice(found.offsets[place], found.offsets[place + 1])
        assert np.array_equal(found.item[rows], record.item[mine])
        assert np.array_equal(found.day[rows], record.day[mine])


def test_the_log_of_numbers_is_the_log_of_names(world: World, daily: pl.DataFrame) -> None:
    named, mixed = (
        PurchaseLog.of(daily),
        PurchaseLog.of(pl.concat([daily, daily.head(50)]).sample(fraction=1, shuffle=True)),
    )
    for day in (UNTIL, UNTIL - 30, UNTIL - 80):
        expected = statistics_of(world.log, day, min_buyers=2)
        assert len(expected) > 5
        assert statistics_of(named, day, min_buyers=2).equals(expected)
        assert statistics_of(mixed, day, min_buyers=2).equals(expected)


@pytest.mark.slow
def test_the_command_learns_with_the_large_profile(shop: Shop, train: Train, tmp_path: Path) -> None:
    few = purchases().filter(pl.col("subject").is_in(SUBJECTS[:20]))
    few.write_parquet(tmp_path / "few.parquet")
    changed = {"profile": "large", "purchases": tmp_path / "few.parquet", "catalogue": shop.catalogue, "level": "type"}
    done = train("fit", *shop.options(tmp_path / "models", **changed), "--json")
    assert done.returncode == 0, done.stderr
    manifest = load_bundle(done.bundle, trust=shop.trust).manifest
    said = manifest.configuration
    assert (said["profile"], said["ranker"], said["seeds"]) == ("large", "mlp", LARGE.settings.ranker.seeds)
    assert len(manifest.trials) == LARGE.trials
    assert manifest.trials[0]["settings"]["factors"] == LARGE.settings.factorization.factors
    assert manifest.parity["same_top"] == 1
    assert "trial_people" not in said, "everyone was learned from"


@pytest.mark.slow
def test_the_card_says_of_how_many_people_the_trials_were(
    shop: Shop, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EFFORTS, Profile.TEST, replace(EFFORTS[Profile.TEST], people=20))
    sealed = {}
    for budget in (None, 2):
        done = train("fit", *shop.options(tmp_path / str(budget), budget=budget), "--json")
        configuration = load_bundle(done.bundle, trust=shop.trust).manifest.configuration
        sealed[budget] = configuration.get("trial_people"), (done.bundle / "card.md").read_text(encoding="utf-8")
    told = "The trials learned from 20 people at most, what is in the bundle from all"
    assert (sealed[2][0], told in sealed[2][1]) == (20, True)
    assert (sealed[None][0], "people at most" in sealed[None][1]) == (None, False), "there were no trials"
