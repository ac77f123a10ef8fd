"""Which part of its model item an item is: half by what sells, from k buyers on, and half by number."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from recsys.history import ItemIndex
from recsys.model_items import item_parts, model_codes
from training.parts import with_parts

UNTIL = dt.date(2024, 7, 1)
MAP = pl.DataFrame({"item": ["a", "b", "c", "d", "e"], "model_item": ["X", "X", "X", "Y", "Y"]})


def days(*bought: tuple[str, int, int]) -> pl.DataFrame:
    """Purchase days: an item, how many people bought it, and how many half-lives ago."""
    rows = [
        (f"s{subject}", item, UNTIL - dt.timedelta(days=168 * ago))
        for item, buyers, ago in bought
        for subject in range(buyers)
    ]
    return pl.DataFrame(rows, schema=["subject", "item", "day"], orient="row")


def parts(daily: pl.DataFrame) -> dict[str, float]:
    return dict(with_parts(MAP, daily, until=UNTIL, min_buyers=5).select("item", "part").iter_rows())


def test_half_is_by_what_was_sold_halved_every_168_days_and_half_by_number() -> None:
    found = parts(days(("a", 6, 0), ("b", 12, 1), ("d", 5, 0)))
    third = 1 / 3
    assert found == pytest.approx(
        {"a": (0.5 + third) / 2, "b": (0.5 + third) / 2, "c": third / 2, "d": (1 + 0.5) / 2, "e": 0.5 / 2}
    )


def test_what_fewer_than_k_people_bought_does_not_tell_on_them() -> None:
    """Not even as what is missing from 1: one more buyer of a rare item changes no part."""
    assert parts(days(("a", 6, 0), ("b", 4, 0))) == parts(days(("a", 6, 0))) == parts(days(("a", 6, 0), ("b", 3, 0)))
    long_ago = ("b", 5, 5)  # five people, and nobody since
    assert (
        parts(days(("a", 6, 0), long_ago))
        == parts(days(("a", 6, 0), long_ago, ("b", 3, 0)))
        == parts(days(("a", 6, 0)))
    )
    assert parts(days(("a", 4, 0), ("d", 4, 0))) == pytest.approx(
        dict.fromkeys("abc", 1 / 3) | dict.fromkeys("de", 0.5)
    )


def test_the_parts_of_a_model_item_make_about_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        daily = days(*((item, int(rng.integers(0, 12)), int(rng.integers(0, 4))) for item in "abcde"))
        found = with_parts(MAP, daily, until=UNTIL, min_buyers=5)
        assert found["item"].to_list() == MAP["item"].to_list()
        sums = found.group_by("model_item").agg(pl.col("part").sum())["part"]
        assert sums.to_list() == pytest.approx([1, 1], abs=0.01)
        assert found["part"].min() > 0


def test_an_item_newer_than_the_bundle_is_what_the_least_of_its_model_item_is() -> None:
    vocabulary, index = ItemIndex.of(["X", "Y"]), ItemIndex.of([*"abcde", "new", "unknown"])
    item_map = with_parts(MAP, days(("a", 6, 0)), until=UNTIL, min_buyers=5)
    today = pl.concat([item_map.drop("part"), pl.DataFrame({"item": ["new"], "model_item": ["X"]})])
    codes = model_codes(index, vocabulary, today)
    found = item_parts(index, codes, vocabulary, item_map)
    assert found == pytest.approx([2 / 3, 1 / 6, 1 / 6, 1 / 2, 1 / 2, 1 / 6, 0])
    assert item_parts(index, codes, vocabulary, item_map.drop("part"))[:6] == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 1 / 3]
    )
    assert item_parts(index, codes, vocabulary, None).tolist() == [1, 1, 1, 1, 1, 1, 0]
