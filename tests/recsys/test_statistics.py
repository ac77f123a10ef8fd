from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import combinations_with_replacement

import numpy as np
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


def statistics(rows: list[tuple[int, str, int]], min_buyers: int) -> dict[str, dict[str, float]]:
    """By item, then by column."""
    made = item_statistics(daily(rows), as_of=AS_OF, min_buyers=min_buyers)
    return {row["item"]: row for row in ITEM_STATISTICS.checked(made, where="s").iter_rows(named=True)}


def test_popularity_halves_with_age() -> None:
    row = statistics([(1, "a", 1), (2, "a", 2), (2, "a", 24), (2, "a", 24)], 2)["a"]
    assert row["buyers"] == 2
    assert row["popularity_8d"] == pytest.approx(2 ** (-1 / 8) + 2 ** (-2 / 8) + 2**-3, abs=0.051)
    assert row["popularity_1d"] == pytest.approx(0.75, abs=0.051)


def test_sums_are_told_to_tenths_and_from_ten_on_in_whole_days() -> None:
    row = statistics([(person, "a", person % 7 + 1) for person in range(40)], 2)["a"]
    few, many = (sum(2 ** (-(person % 7 + 1) / days) for person in range(40)) for days in (1, 30))
    assert (row["popularity_1d"], row["popularity_30d"]) == (round(few, 1), round(many))
    assert few < 10 < many


def test_the_days_of_a_few_purchases_cannot_be_read_off_their_sums() -> None:
    """An exact sum of powers of two is the list of its days. Tried are all ways to buy on five of twelve days."""
    columns = ("popularity_1d", "popularity_3d", "popularity_8d", "popularity_30d")
    told = Counter[tuple[float, ...]]()
    for ages in combinations_with_replacement(range(1, 13), 5):
        sums = (sum(2 ** (-age / days) for age in ages) for days in (1, 3, 8, 30))
        told[tuple(round(each, 1) for each in sums)] += 1
    rng = np.random.default_rng(0)
    for _ in range(20):
        ages = rng.integers(1, 13, 5).tolist()
        row = statistics([(person, "a", age) for person, age in enumerate(ages)], 5)["a"]
        sums = tuple(round(sum(2 ** (-age / days) for age in ages), 1) for days in (1, 3, 8, 30))
        lately = min(5, sum(age <= 4 for age in ages))
        assert tuple(row[column] for column in columns) == (sums if lately == 5 else (0, *sums[1:]))
    alone = sum(1 for number in told.values() if number == 1)
    assert alone < 0.1 * told.total()


USUAL = [(person, item, 50 + 10 * person + 4 * again) for item in "ab" for person in range(1, 8) for again in range(3)]


@pytest.mark.parametrize(("column", "lately"), [("popularity_1d", 4), ("popularity_3d", 12), ("popularity_8d", 32)])
def test_what_fewer_than_k_people_bought_lately_is_not_told(column: str, lately: int) -> None:
    some = [(person, "a", lately - day) for person in range(1, 5) for day in (0, 1)]
    assert statistics(USUAL, 5)["a"][column] == statistics([*USUAL, *some], 5)["a"][column] == 0
    assert statistics([*USUAL, *some, (5, "a", lately + 1)], 5)["a"][column] == 0
    assert statistics([*USUAL, *some, (5, "a", lately)], 5)["a"][column] > 0


def test_nobody_is_told_to_have_come_back_or_not_among_fewer_than_k() -> None:
    bought = [(person, "new", 60) for person in range(1, 9)]
    back = [(person, "new", 50) for person in range(1, 9)]
    usual = statistics([*USUAL, *bought], 5)["new"]
    for number in range(1, 5):
        assert statistics([*USUAL, *bought, *back[:number]], 5)["new"]["popularity"] == usual["popularity"] == 8
    assert statistics([*USUAL, *bought, *back[:5]], 5)["new"]["popularity"] == 13
    rates = {statistics([*USUAL, *bought, *back[:number]], 5)["new"]["repeat_rate"] for number in range(5, 9)}
    assert rates == {1}


def test_what_fewer_than_k_people_came_back_for_has_everyones_rhythm() -> None:
    new = [(person, "new", 60) for person in range(1, 9)]
    some = [(person, "new", 60 - 2 * person) for person in range(1, 5)]
    usual, rare = statistics([*USUAL, *new], 5)["new"], statistics([*USUAL, *new, *some], 5)["new"]
    assert (usual["repeat_rate"], rare["repeat_rate"]) == (0, 0)
    assert usual["interval"] == rare["interval"] == 4  # of what k people came back for
    known = statistics([*USUAL, *new, *some, (5, "new", 50)], 5)["new"]
    assert known["interval"] > rare["interval"]


def test_an_item_is_on_sale_since_its_kth_buyer() -> None:
    first = [(1, "a", 300), (1, "a", 200), (2, "a", 150)]
    assert statistics([*first, (3, "a", 90), (4, "a", 80)], 3)["a"]["days_on_sale"] == 91  # 90, in whole weeks
    assert statistics([*first, (3, "a", 90), (4, "a", 80)], 1)["a"]["days_on_sale"] == 301


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
