from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from support.tokens import token

from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.statistics import item_statistics

AS_OF = dt.date(2017, 5, 1)


def daily(rows: list[tuple[int, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "subject": [token(subject) for subject, *_ in rows],
            "item": [item for _, item, _ in rows],
            "day": [AS_OF - dt.timedelta(age) for *_, age in rows],
        }
    )


def test_popularity_halves_with_age() -> None:
    made = item_statistics(daily([(1, "a", 8), (2, "a", 16), (2, "a", 24), (2, "a", 24)]), as_of=AS_OF, min_buyers=2)
    row = ITEM_STATISTICS.checked(made, where="s").row(0, named=True)
    assert row["buyers"] == 2
    assert row["popularity"] == 3
    assert row["popularity_8d"] == pytest.approx(0.5 + 0.25 + 0.125)
    assert row["popularity_1d"] == pytest.approx(2**-8 + 2**-16 + 2**-24)
    assert row["repeat_rate"] == 0.5


def test_an_item_with_too_few_buyers_is_not_there() -> None:
    made = item_statistics(daily([(1, "a", 1), (1, "a", 2), (2, "b", 1), (3, "b", 1)]), as_of=AS_OF, min_buyers=2)
    assert made["item"].to_list() == ["b"]


def test_nothing_of_the_as_of_day_or_later_counts() -> None:
    rows = [(1, "a", 1), (2, "a", 1)]
    before = item_statistics(daily(rows), as_of=AS_OF, min_buyers=1)
    after = item_statistics(daily([*rows, (3, "a", 0), (3, "b", -4)]), as_of=AS_OF, min_buyers=1)
    assert before.equals(after)


def test_trend_compares_recent_shares() -> None:
    made = item_statistics(
        daily([(1, "new", 1), (2, "new", 1), (1, "old", 60), (2, "old", 60)]), as_of=AS_OF, min_buyers=2
    )
    trend = dict(made.select("item", "trend").iter_rows())
    assert trend["new"] > 0 > trend["old"]


@pytest.mark.parametrize("age", [9_000, 40_000])  # nothing is left at half-lives of 8, and of 30 days
def test_what_was_bought_in_another_age_has_no_trend_and_breaks_nothing(age: int) -> None:
    made = item_statistics(daily([(1, "a", age), (2, "a", age), (1, "b", age + 1)]), as_of=AS_OF, min_buyers=1)
    checked = ITEM_STATISTICS.checked(made, where="s")
    assert (checked["popularity_8d"] == 0).all()
    assert (checked["trend"] <= 0).all()
