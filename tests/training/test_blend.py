"""How far the factorization is heard: not at all on what was bought before, little for someone hardly known."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from recsys.history import ItemIndex, day_number
from training.blend import SHARES, Blend, chosen
from training.factorize import Factorization
from training.features.assemble import FEATURES
from training.ranker import Ranker
from training.record import Record
from training.sampling import Rows, batches
from training.snapshot import World
from training.windows import examples_of

BOUGHT, SCORE, DIFFERENT = (
    FEATURES.index(name)
    for name in ("own: bought", "collaborative: log folded-in score", "person: log different items")
)
UNTIL = day_number(dt.date(2024, 1, 1)) + 120
BLEND = Blend(share=0.5, slope=2.0, intercept=-1.0)


def features(*, bought: float = 0.0, different: float = 30.0, score: float = -1.0) -> NDArray[np.float32]:
    row = np.zeros((1, len(FEATURES)), np.float32)
    row[0, [BOUGHT, SCORE, DIFFERENT]] = bought, score, np.log1p(different)
    return row


def blended(blend: Blend, log_odds: float, **of_row: float) -> float:
    return float(blend(np.array([log_odds], np.float32), features(**of_row))[0])


def test_what_was_bought_before_is_ranked_by_the_networks_alone() -> None:
    assert blended(BLEND, 1.25, bought=1.0) == 1.25


def test_what_is_new_is_a_mean_of_both() -> None:
    heard = 2.0 * -1.0 - 1.0
    assert blended(BLEND, 1.0, different=30) == pytest.approx(0.75 * 1.0 + 0.25 * heard, abs=1e-6)
    assert blended(BLEND, 1.0, different=1e6) == pytest.approx(0.5 * 1.0 + 0.5 * heard, abs=1e-3)


def test_of_whom_nothing_is_known_the_factorization_says_nothing() -> None:
    assert blended(BLEND, 1.0, different=0) == 1.0


def test_folded_in_scores_are_brought_to_log_odds() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([features(score=score) for score in rng.normal(-2, 1, 20_000)])
    bought = rng.random(len(rows)) < expit(1.5 * rows[:, SCORE] + 0.5)
    learned = Blend.of(Rows(rows, bought, np.ones(len(rows))))
    assert (learned.slope, learned.intercept) == (pytest.approx(1.5, abs=0.1), pytest.approx(0.5, abs=0.2))
    assert learned.share in SHARES


@pytest.mark.parametrize("all_bought", [True, False])
def test_where_nothing_can_be_told_apart_the_networks_are_heard_alone(*, all_bought: bool) -> None:
    rows = np.concatenate([features(), features()])
    nothing = Blend.of(Rows(rows, np.full(2, all_bought), np.ones(2)))
    assert blended(nothing, 1.25) == 1.25


@pytest.mark.slow  # a world is looked at
@pytest.mark.parametrize(("slope", "heard"), [(1.0, True), (-1.0, False)])
def test_the_factorization_is_heard_as_far_as_it_helps(*, slope: float, heard: bool) -> None:
    """People of two tastes, and networks that know of none."""
    world = two_tastes()
    newest = examples_of(world.record, UNTIL)[-1]
    lens = world.lens(Factorization(4, random_state=0), newest.start, None)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (500, len(FEATURES))).astype(np.float32)
    lost = Ranker((4,), seeds=1, epochs=1, resample=500).fit(noise, rng.random(500) < 0.5, np.ones(500))
    found = chosen(Blend(0.5, slope, 0.0), lost, batches(world, newest, lens))
    assert (found.share > 0) == heard
    assert found.slope == slope


def two_tastes() -> World:
    rng = np.random.default_rng(0)
    first, items = dt.date(2024, 1, 1), [f"i{number:02}" for number in range(60)]
    rows = {
        (f"s{person:02}", items[item], first + dt.timedelta(int(day)))
        for person in range(40)
        for day in rng.choice(120, 10, replace=False)
        for item in rng.choice(30, 2, replace=False) + 30 * (person % 2)
    }
    daily = pl.DataFrame(sorted(rows), schema=["subject", "item", "day"], orient="row").with_columns(
        quantity=pl.lit(1.0)
    )
    record = Record.of(daily, ItemIndex.of(items), np.zeros(len(items), np.int64))
    return World.of(daily, record, 17.0, min_buyers=2)
