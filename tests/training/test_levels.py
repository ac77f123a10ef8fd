from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from recsys.contracts.manifest import Level
from recsys.errors import ContractError, UsageError
from training.levels import LevelChoice, to_level

DAY = dt.date(2024, 1, 1)


def bought(subjects: int, items: int, each: int) -> pl.DataFrame:
    """Purchase days: everyone buys `each` of the items, all equally popular."""
    rng = np.random.default_rng(0)
    rows = [(f"s{subject}", f"i{item}", DAY) for subject in range(subjects) for item in rng.permutation(items)[:each]]
    frame = pl.DataFrame(rows, schema=["subject", "item", "day"], orient="row")
    return frame.with_columns(quantity=pl.lit(1.0), baskets=pl.lit(1, pl.Int32))


def catalogue(items: int, types: int, *, placed: int | None = None) -> pl.DataFrame:
    """A catalogue in which the first `placed` items have a category."""
    known = items if placed is None else placed
    paths = [f"D / T{item % types}" if item < known else None for item in range(items)]
    names = [f"i{item}" for item in range(items)]
    return pl.DataFrame({"item": names, "category": paths, "title": names}, schema_overrides={"category": pl.String})


def level(daily: pl.DataFrame, sold: pl.DataFrame | None, choice: LevelChoice = LevelChoice.AUTO) -> Level:
    return to_level(daily, sold, choice, min_buyers=5).level


def test_sparse_items_are_learned_by_type() -> None:
    assert level(bought(200, 2_000, 40), catalogue(2_000, 120)) is Level.TYPE  # 4 buyers an item, 67 a type


def test_items_with_many_buyers_are_learned_as_they_are() -> None:
    assert level(bought(200, 200, 40), catalogue(200, 120)) is Level.ITEM  # 40 buyers an item


def test_a_large_shop_needs_a_hundred_buyers_not_a_tenth() -> None:
    daily = bought(4_000, 400, 12)  # 120 buyers an item: 3 in a hundred
    assert level(daily, catalogue(400, 120)) is Level.ITEM


def test_few_types_are_no_choice() -> None:
    assert level(bought(200, 2_000, 40), catalogue(2_000, 20)) is Level.ITEM


def test_a_catalogue_that_places_little_is_not_followed() -> None:
    assert level(bought(200, 2_000, 40), catalogue(2_000, 120, placed=900)) is Level.ITEM


def test_auto_without_categories_or_catalogue_learns_items() -> None:
    daily = bought(200, 2_000, 40)
    assert level(daily, None) is Level.ITEM
    assert level(daily, catalogue(2_000, 120, placed=0)) is Level.ITEM


def test_what_was_asked_for_is_done() -> None:
    daily = bought(20, 30, 10)
    assert level(daily, catalogue(30, 3), LevelChoice.TYPE) is Level.TYPE
    assert level(bought(200, 2_000, 40), catalogue(2_000, 120), LevelChoice.ITEM) is Level.ITEM


def test_types_merge_the_days_of_their_items_and_count_what_is_left_out() -> None:
    daily = pl.DataFrame(
        {
            "subject": ["a", "a", "a"],
            "item": ["i0", "i3", "i4"],
            "day": [DAY] * 3,
            "quantity": [1.0] * 3,
            "baskets": [1] * 3,
        }
    )
    days = to_level(daily, catalogue(5, 3, placed=4), LevelChoice.TYPE, min_buyers=5)
    assert days.daily.select("subject", "item", "day", "quantity").rows() == [("a", "D / T0", DAY, 2.0)]
    assert days.left_out == 1


def test_types_that_nobody_can_know_are_refused() -> None:
    daily = bought(20, 30, 10)
    with pytest.raises(UsageError, match="needs --catalogue"):
        level(daily, None, LevelChoice.TYPE)
    with pytest.raises(ContractError, match="no category"):
        level(daily, catalogue(30, 3, placed=0), LevelChoice.TYPE)


def test_a_catalogue_of_another_shop_is_refused() -> None:
    with pytest.raises(ContractError, match="nothing that was bought"):
        level(bought(20, 30, 10), catalogue(30, 3).with_columns(item="x" + pl.col("item")), LevelChoice.TYPE)
