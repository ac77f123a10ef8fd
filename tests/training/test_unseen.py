"""Histories that graphs are tried on: nobody's own, of every length, and the same every time."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from support.tastes import FIRST_DAY
from support.tokens import token

from recsys.history import MAX_ROWS, ItemIndex, day_number
from recsys.model_histories import ModelHistories
from training.record import Record
from training.unseen import unseen

ITEMS = ItemIndex.of(f"item-{number:02}" for number in range(40))
UNTIL = day_number(FIRST_DAY) + 300
Bought = set[tuple[int, int]]  # item, day


def record_of(people: int, *, most: int = 250) -> Record:
    """From a few purchase days to many, up to the day before the last."""
    rng = np.random.default_rng(0)
    rows = [
        (token(person), ITEMS.names[rng.integers(40)], int(rng.integers(0, 301)))
        for person in range(people)
        for _ in range(7 + person * most // people)
    ]
    frame = pl.DataFrame(rows, schema=["subject", "item", "after"], orient="row").unique()
    days = (pl.lit(FIRST_DAY) + pl.duration(days=pl.col("after"))).cast(pl.Date)
    daily = frame.select("subject", "item", day=days, quantity=pl.lit(1.0))
    return Record.of(daily, ITEMS, np.zeros(40, np.int64))


def bought(histories: ModelHistories, row: int, as_of: int) -> Bought:
    real = histories.quantities[row] > 0
    items = histories.items[row][histories.slots[row][real]]
    return set(zip(items.tolist(), (as_of - histories.ages[row][real]).astype(int).tolist(), strict=True))


def own(record: Record) -> list[Bought]:
    """What each person bought before the day."""
    item, day, ends = record.item.tolist(), record.day.tolist(), record.offsets.tolist()
    return [{(item[row], day[row]) for row in range(start, end) if day[row] < UNTIL} for start, end in pairwise(ends)]


def test_each_kind_is_what_it_says() -> None:
    record = record_of(60)
    found, people = unseen(record, UNTIL), own(record)
    assert len(found) == 60 + 30 + 29 + 1
    woven = [bought(found, row, UNTIL) for row in range(60)]
    unions = [(one | other, {a, b}) for a, one in enumerate(people) for b, other in enumerate(people) if a < b]
    members = []
    for past in woven:
        (pair,) = [pair for union, pair in unions if union == past]
        members.append(pair)
        assert past not in people
    assert set().union(*members) == set(range(60))
    for row in range(30):  # cut: a beginning of a woven one, about half of it
        whole = woven[2 * row]
        day = int(np.median(sorted(day for _, day in whole)))
        cut = {(item, when) for item, when in whole if when < day}
        assert abs(found.lengths[60 + row] - len(cut)) <= len(whole) / 10
        assert 0 < found.lengths[60 + row] < len(whole)
        assert found.ages[60 + row][found.quantities[60 + row] > 0].min() >= 1
    for row in range(29):
        short, whole = bought(found, 90 + row, UNTIL), woven[2 * (row + 1)]
        assert short <= whole
        assert len(short) <= (0, 1, 2, 5)[row % 4] <= len(short) + 1  # two may have bought the same on the same day
        newest = sorted((day for _, day in whole), reverse=True)[: len(short)]
        assert sorted((day for _, day in short), reverse=True) == newest
    assert MAX_ROWS * 0.8 < found.lengths[-1] <= MAX_ROWS


def test_nothing_is_woven_of_who_took_everything_back() -> None:
    rows = [(token(person), item, FIRST_DAY) for person in range(6) for item in ITEMS.names[:3]]
    daily = pl.DataFrame(rows, schema=["subject", "item", "day"], orient="row").with_columns(quantity=pl.lit(1.0))
    kept = pl.col("subject") <= sorted(daily["subject"].unique())[1]
    returned = daily.filter(~kept).with_columns(taken=pl.lit(FIRST_DAY).dt.offset_by("9d"))
    record = Record.of(daily.filter(kept), ITEMS, np.zeros(40, np.int64), returned)
    assert record.subjects == 6
    made = len(unseen(record, UNTIL))
    assert made == len(unseen(Record.of(daily.filter(kept), ITEMS, np.zeros(40, np.int64)), UNTIL)) == 4


def test_they_are_the_same_every_time_and_can_be_ranked() -> None:
    one, other = unseen(record_of(20), UNTIL), unseen(record_of(20), UNTIL)
    for field in fields(ModelHistories):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name))
    one.check(len(ITEMS))


@pytest.mark.parametrize("people", [1, 2, 3, 700])
def test_any_shop_has_some(people: int) -> None:
    found = unseen(record_of(people, most=10), UNTIL)
    assert 2 <= len(found) <= 256
    assert (len(found) == 256) == (people == 700)
    found.check(len(ITEMS))
