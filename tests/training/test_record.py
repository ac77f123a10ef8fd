"""What is cut from purchase days, against plain loops."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.history import ItemIndex, day_number
from training.record import Record

FIRST = dt.date(2024, 1, 1)
ITEMS = ["a", "b", "c"]
SCHEMA = {"subject": pl.String, "item": pl.String, "day": pl.Date}
bought = st.sets(
    st.tuples(
        st.sampled_from(["s0", "s1", "s2"]),
        st.sampled_from([*ITEMS, "elsewhere"]),
        st.integers(0, 5).map(lambda days: FIRST + dt.timedelta(days)),
    ),
    min_size=1,
)


def record_of(rows: set[tuple[str, str, dt.date]]) -> Record:
    daily = pl.DataFrame(sorted(rows), schema=SCHEMA, orient="row").with_columns(quantity=pl.lit(1.0))
    return Record.of(daily, ItemIndex.of(ITEMS), np.zeros(len(ITEMS), np.int64))


@given(rows=bought, after=st.integers(0, 7))
def test_buyers_are_different_people_before_the_day(rows: set[tuple[str, str, dt.date]], after: int) -> None:
    until = FIRST + dt.timedelta(after)
    expected = [len({who for who, what, day in rows if what == item and day < until}) for item in ITEMS]
    assert record_of(rows).buyers(day_number(until)).tolist() == expected


def test_purchase_days_are_looked_through_once_however_many_days_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting ten million of them for every day took seconds each."""
    record = record_of({("s0", "a", FIRST), ("s1", "a", FIRST + dt.timedelta(1)), ("s1", "b", FIRST)})
    start = day_number(FIRST)
    assert record.buyers(start + 1).tolist() == [1, 1, 0]
    monkeypatch.setattr(Record, "owner", property(lambda _: pytest.fail("looked through again")))
    assert record.buyers(start + 2).tolist() == [2, 1, 0]
