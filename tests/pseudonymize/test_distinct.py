from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.distinct import Distinct, encoded


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=2)))))
def test_small_counts_are_exact(batches: list[list[str | None]]) -> None:
    distinct = Distinct()
    for batch in batches:
        distinct.add(pl.Series(batch, dtype=pl.String))
    assert distinct.exact
    assert distinct.count == len({value for batch in batches for value in batch if value is not None})


def test_large_counts_are_within_two_percent() -> None:
    distinct = Distinct()
    for start in range(0, 1_000_000, 50_000):
        distinct.add(pl.int_range(start, start + 100_000, eager=True))  # every value twice
    assert not distinct.exact
    assert abs(distinct.count / 1_050_000 - 1) < 0.02


@given(st.lists(st.one_of(st.none(), st.text(max_size=3))))
def test_encoded_values_come_back(cells: list[str | None]) -> None:
    values = pl.Series(cells, dtype=pl.String)
    distinct, places, full = encoded(values)
    assert full
    assert distinct.n_unique() == len(distinct)
    assert distinct.gather(places).equals(values)


def test_values_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.Series([7] * len(self), dtype=pl.UInt64))
    values = pl.Series(["ada", "bert", None, "ada"])
    distinct, places, _ = encoded(values)
    assert distinct.gather(places).equals(values)
