"""What is cut from purchase days, against plain loops."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.history import ItemIndex, day_number, netted, purchase_days
from recsys.model_items import to_model_items
from recsys.purchase_log import PurchaseLog
from recsys.statistics import item_statistics, statistics_of
from training.record import Record
from training.snapshot import World

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


KINDS = pl.DataFrame({"item": ["a1", "a2", "b1", "elsewhere1"], "model_item": ["a", "a", "b", "elsewhere"]})
DAYS = 12


def lines_of(people: int = 40) -> pl.DataFrame:
    """A dozen lines for each, of a few items on a few days, so that returns take parts, wholes and several days."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"person": np.repeat(np.arange(people), 12)})
    return frame.select(
        pl.format("s{}", pl.col("person")).alias("subject"),
        pl.Series("item", rng.choice(KINDS["item"].to_list(), len(frame))),
        pl.Series("day", [FIRST + dt.timedelta(int(day)) for day in rng.integers(0, DAYS, len(frame))]),
        pl.Series("quantity", rng.choice([-2.0, -1.0, 1.0, 1.0, 2.0], len(frame))),
    )


@pytest.mark.parametrize("item_map", [None, KINDS], ids=["items", "types"])
def test_before_any_day_there_is_what_the_lines_before_it_come_to(item_map: pl.DataFrame | None) -> None:
    """Returns are netted once; what they took was there until their day, wherever the record is cut."""
    frame = lines_of()
    vocabulary = ItemIndex.of(["a1", "a2", "b1"] if item_map is None else ["a", "b"])
    known = pl.col("item").is_in(vocabulary.names)
    bought = netted(frame)
    daily, returned = (to_model_items(days, item_map).filter(known) for days in (bought.daily, bought.returned))
    record = Record.of(daily, vocabulary, np.zeros(len(vocabulary), np.int64), returned)
    people = sorted({*daily["subject"], *returned["subject"]})
    logs = World.of(record, 28.0, 1).log, PurchaseLog.of(daily, returned)
    for after in range(1, DAYS + 2):
        until = FIRST + dt.timedelta(after)
        before = to_model_items(purchase_days(frame, until=until), item_map).filter(known)
        assert_as_before(record, people, before, day_number(until))
        for least in (1, 2, 5):
            statistics = item_statistics(before, as_of=until, min_buyers=least)
            assert all(statistics_of(log, day_number(until), min_buyers=least).equals(statistics) for log in logs)


def assert_as_before(record: Record, people: list[str], before: pl.DataFrame, end: int) -> None:
    names, everyone = record.vocabulary.names, np.arange(record.subjects)
    there = record.until(everyone, np.full(len(everyone), end))
    found = zip(there.rows_of.tolist(), there.day.tolist(), there.item.tolist(), there.quantity.tolist(), strict=True)
    expected = before.select("subject", pl.col("day").to_physical(), "item", "quantity").sort("subject", "day", "item")
    assert [(people[who], day, names[what], much) for who, day, what, much in found] == expected.rows()
    assert record.counts(end).sum(axis=0).A1.tolist() == [len(before.filter(item=name)) for name in names]
    assert record.buyers(end).tolist() == [before.filter(item=name)["subject"].n_unique() for name in names]
    having = set(before["subject"])
    assert record.anything(everyone, np.full(len(everyone), end)).tolist() == [who in having for who in people]
