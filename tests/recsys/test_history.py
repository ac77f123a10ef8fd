from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from support.tokens import token

from recsys.history import MAX_ROWS, Histories, ItemIndex, day_number, histories, netted, purchase_days
from recsys.returns import net_of_returns

DAY = dt.date(2017, 3, 1)
LINES = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from("abcd"), st.integers(0, 20), st.sampled_from([-3.0, -1.0, 1.0, 2.0, 5.0])
    ),
    min_size=1,
    max_size=40,
)


def frame(lines: list[tuple[int, str, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "subject": [token(subject) for subject, *_ in lines],
            "item": [item for _, item, *_ in lines],
            "day": [DAY + dt.timedelta(day) for *_, day, _ in lines],
            "quantity": [quantity for *_, quantity in lines],
        }
    )


def slow_net(lines: list[tuple[int, str, int, float]], until: int) -> dict[tuple[str, str, dt.date], float]:
    """Plain loops: a day's total first, then each return takes from the newest purchase before it."""
    totals: dict[tuple[int, str, int], float] = {}
    for subject, item, day, quantity in lines:
        if day < until:
            totals[subject, item, day] = totals.get((subject, item, day), 0.0) + quantity
    kept: dict[tuple[str, str, dt.date], float] = {}
    for subject, item, day in sorted(totals):
        owed = -totals[subject, item, day]
        if owed < 0:
            kept[token(subject), item, DAY + dt.timedelta(day)] = -owed
            continue
        for earlier in range(day - 1, -1, -1):
            key = (token(subject), item, DAY + dt.timedelta(earlier))
            taken = min(owed, kept.get(key, 0.0))
            owed -= taken
            if taken:
                kept[key] -= taken
    return {key: quantity for key, quantity in kept.items() if quantity > 0}


@given(LINES, st.integers(0, 21))
def test_returns_are_netted_as_plain_loops_would(lines: list[tuple[int, str, int, float]], until: int) -> None:
    daily = purchase_days(frame(lines), until=DAY + dt.timedelta(until))
    rows = {row[:3]: row[3] for row in daily.select("subject", "item", "day", "quantity").iter_rows()}
    assert rows == slow_net(lines, until)


def test_a_return_takes_off_the_newest_purchase() -> None:
    assert net_of_returns([2, 3, -4]) == [1, 0, 0]
    assert net_of_returns([-1, 2]) == [0, 2]
    assert net_of_returns([1, -5, 1]) == [0, 0, 1]
    assert net_of_returns([0.1 + 0.2, -0.3]) == [0, 0]  # rounding leaves 5.6e-17 of it


def test_rounding_leaves_nothing_of_what_was_returned_the_same_day() -> None:
    lines = frame([(1, "a", 0, 1.0)] * 3).with_columns(quantity=pl.Series([0.1, 0.2, -0.3]))
    assert purchase_days(lines).is_empty()


def test_histories_keep_the_order_asked_for_and_leave_out_unknown_items() -> None:
    index = ItemIndex.of(["b", "a"])
    made = histories(
        frame([(1, "a", 0, 1.0), (1, "x", 1, 1.0), (2, "b", 2, 1.0)]), index, subjects=[token(2), token(9), token(1)]
    )
    assert made.subjects == (token(2), token(9), token(1))
    assert made.offsets.tolist() == [0, 1, 1, 2]
    assert made.item.tolist() == [0, 1]
    assert made.day.tolist() == [day_number(DAY) + 2, day_number(DAY)]


def test_each_subject_can_have_a_day_of_its_own() -> None:
    lines = frame([(1, "a", 0, 1.0), (1, "a", 5, 1.0), (2, "a", 5, 1.0), (3, "a", 0, 1.0)])
    ends = pl.DataFrame({"subject": [token(1), token(2)], "day": [DAY + dt.timedelta(5), DAY + dt.timedelta(6)]})
    made = histories(lines, ItemIndex.of(["a"]), until=ends)
    days = dict(zip(made.subjects, np.diff(made.offsets).tolist(), strict=True))
    assert days == {token(1): 1, token(2): 1}


def test_the_newest_rows_are_kept() -> None:
    lines = pl.DataFrame(
        {
            "subject": [token(1)] * (MAX_ROWS + 5),
            "item": ["a"] * (MAX_ROWS + 5),
            "day": [DAY - dt.timedelta(age) for age in range(MAX_ROWS + 5)],
            "quantity": [1.0] * (MAX_ROWS + 5),
        }
    )
    made = histories(lines, ItemIndex.of(["a"]))
    assert len(made.item) == MAX_ROWS
    assert made.day.max() == day_number(DAY)


def test_subjects_stay_when_their_rows_are_left_out() -> None:
    made = histories(frame([(1, "a", 0, 1.0), (1, "a", 5, 1.0), (2, "a", 6, 1.0)]), ItemIndex.of(["a"]))
    past = made.where(made.day <= day_number(DAY) + 5)
    assert dict(zip(past.subjects, np.diff(past.offsets).tolist(), strict=True)) == {token(1): 2, token(2): 0}


def test_baskets_are_counted_where_they_are_known() -> None:
    lines = frame([(1, "a", 0, 1.0), (1, "a", 0, 1.0), (1, "a", 0, 2.0)]).with_columns(
        basket=pl.Series([token("x"), token("x"), token("y")])
    )
    made = histories(lines, ItemIndex.of(["a"]))
    assert made.baskets.tolist() == [2]
    assert made.quantity.tolist() == [4.0]


def test_nobody_has_an_empty_history() -> None:
    nobody = Histories.empty([token(1), token(2)])
    assert len(nobody) == 2
    assert nobody.rows_of.tolist() == []


@given(LINES, st.integers(0, 21))
def test_what_was_taken_back_was_there_until_then(lines: list[tuple[int, str, int, float]], until: int) -> None:
    """Netted once, and cut at any day: what comes of the lines before it."""
    end = DAY + dt.timedelta(until)
    bought = netted(frame(lines))
    assert bought.daily.equals(purchase_days(frame(lines)))
    before = pl.concat(
        [
            bought.daily.filter(pl.col("day") < end).select("subject", "item", "day", "quantity"),
            bought.returned.filter(pl.col("day") < end, pl.col("taken") >= end).drop("taken"),
        ]
    )
    found = before.group_by("subject", "item", "day").agg(pl.col("quantity").sum())
    assert {row[:3]: row[3] for row in found.iter_rows()} == slow_net(lines, until)
    assert (
        purchase_days(bought.lines(), until=end)
        .drop("baskets")
        .equals(purchase_days(frame(lines), until=end).drop("baskets"))
    )


def test_what_rounding_leaves_is_taken_back_with_the_rest() -> None:
    bought = netted(frame([(1, "a", 0, 1.0), (1, "a", 1, -0.9999995), (1, "a", 2, -0.0000005)]))
    assert bought.daily.is_empty()
    assert bought.returned["taken"].to_list() == [DAY + dt.timedelta(1)]
