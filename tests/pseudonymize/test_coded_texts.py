"""Texts by their distinct values: read, scanned, counted and written as cell by cell."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tokens import token

from pseudonymize.distinct import Coded, encoded
from pseudonymize.gate import histories
from pseudonymize.gate.histories import held, in_order
from pseudonymize.gate.internal import purchase_figures
from pseudonymize.gate.labels import labels_of
from pseudonymize.gate.lines import Gathering, Lines, Reader, read_lines, tokens_in
from pseudonymize.gate.rare import rare_in
from pseudonymize.gate.release import TableWriter
from pseudonymize.gate.settings import Days, GateSettings, Level
from pseudonymize.gate.text_scan import TextScan
from pseudonymize.gate.traces import rules
from pseudonymize.inputs import open_raw
from pseudonymize.parquet_files import columns_of, dictionaries_in, dictionary
from recsys.contracts.table import Origin

CELLS = st.lists(st.sampled_from(["ada@canary.example", "milk", "", "bread", None]), max_size=8)
PURCHASES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([-1.0, 1.0])), max_size=30
)


def coded(cells: Sequence[str | None], unused: Sequence[str] = ()) -> Coded:
    """With values that stand in no row, as a dictionary may hold them."""
    texts = pl.Series("item", cells, dtype=pl.String)
    values, places, _ = encoded(texts)
    return Coded(pl.concat([pl.Series("item", unused, dtype=pl.String), values]), places + len(unused))


def purchases(rows: Sequence[tuple[int, str, int, float]], path: Path) -> Path:
    day = dt.date(2024, 1, 1)
    with TableWriter(path) as writer:
        for part in (rows[:7], rows[7:]):
            writer.write(
                pl.DataFrame(
                    [(token(who), item, day + dt.timedelta(days=past), many) for who, item, past, many in part],
                    schema={"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64},
                    orient="row",
                )
            )
    return path


@given(CELLS, st.lists(st.booleans(), min_size=8, max_size=8))
@settings(deadline=None, max_examples=15)
def test_rows_that_are_taken_out_take_their_values_along(cells: list[str | None], keep: list[bool]) -> None:
    mask = pl.Series(keep[: len(cells)], dtype=pl.Boolean)
    left = coded(cells, unused=["nobody"]).filter(mask)
    expected = pl.Series("item", cells, dtype=pl.String).filter(mask)
    assert left.text.equals(expected)
    assert left.used().text.equals(expected)
    assert sorted(left.used().values.to_list(), key=str) == sorted(set(expected), key=str)
    assert left.used().full
    assert not left.full


@given(st.lists(CELLS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=15)
def test_dictionaries_of_row_groups_come_as_one(groups: list[list[str | None]]) -> None:
    arrays = [dictionary(coded(cells, unused=["nobody"])) for cells in groups]
    with_nobody = [
        pa.DictionaryArray.from_arrays(a.indices, pa.array([*a.dictionary.to_pylist(), "nobody"])) for a in arrays
    ]
    plain = [pa.array(list(range(len(cells))), pa.int64()) for cells in groups]
    batches = [pa.record_batch({"n": n, "item": item}) for n, item in zip(plain, with_nobody, strict=True)]
    frame, found = columns_of(batches)
    assert frame["n"].to_list() == [n for cells in groups for n in range(len(cells))]
    assert found["item"].text.to_list() == [cell for cells in groups for cell in cells]
    assert "nobody" not in found["item"].values


def test_a_file_is_read_alike_with_dictionaries_and_without(tmp_path: Path) -> None:
    rows = 40_000
    item = pl.Series([f"item {n % 300}" for n in range(rows)]).set(pl.Series(np.arange(rows) % 7 == 0), None)
    frame = pl.DataFrame({"number": np.arange(rows), "item": item, "unlike": [str(n) * 5 for n in range(rows)]})
    read = {}
    for name, dictionaries in (("with", True), ("without", False)):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(frame.to_arrow(), path, row_group_size=20_000, use_dictionary=dictionaries)
        assert dictionaries_in(pq.read_metadata(path)) == ["item"] * dictionaries
        batches = list(open_raw(path).batches())
        assert [bool(batch.coded) for batch in batches] == [dictionaries]
        read[name] = pl.concat([batch.frame for batch in batches])
    assert read["with"].equals(read["without"])
    assert read["with"].equals(frame)


@given(CELLS, CELLS)
@settings(deadline=None, max_examples=15)
def test_a_scan_finds_the_same_by_value_and_by_cell(first: list[str | None], second: list[str | None]) -> None:
    found = []
    for by_value in (True, False):
        scan, begin = TextScan(rules((), ())), 1
        for cells in (first, second):
            frame = pl.DataFrame({"item": cells}, schema={"item": pl.String})
            origin = Origin("raw.csv", pl.int_range(begin, begin + len(cells), eager=True))
            known = {"item": coded(cells, unused=["bert@canary.example"])}
            scan.add(frame, origin, known) if by_value else scan.add(frame, origin)
            begin += len(cells)
        found.append(scan.findings())
    assert found[0] == found[1]


def test_no_token_without_a_row_is_in_the_file(tmp_path: Path) -> None:
    cells = [token(n) for n in range(3)]
    for keep in ([True, True, True], [True, False, True]):
        mask = pl.Series(keep)
        with TableWriter(tmp_path / "out.parquet") as writer:
            left = coded(cells).filter(mask)
            writer.write(left.text.to_frame(), {"item": left})
        table = pq.read_table(tmp_path / "out.parquet", read_dictionary=["item"])
        words = table["item"].chunk(0).dictionary.to_pylist()
        assert (cells[1] in words) == all(keep)


@given(CELLS)
@settings(deadline=None, max_examples=15)
def test_what_is_written_is_read_also_where_values_come_twice(cells: list[str | None]) -> None:
    """As tokens do, of two ways to write one identifier."""
    texts = pl.Series("item", cells, dtype=pl.String)
    twice = Coded(texts, pl.Series(np.arange(len(cells), dtype=np.uint32)))
    written = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            with TableWriter(Path(folder) / "out.parquet") as writer:
                writer.write(texts.to_frame(), {"item": twice})
            written.append((Path(folder) / "out.parquet").read_bytes())
    assert pl.read_parquet(io.BytesIO(written[0]))["item"].to_list() == cells
    assert written[0] == written[1]


@given(rows=PURCHASES, share=st.sampled_from([1.0, 0.5]))
@settings(deadline=None, max_examples=15)
def test_lines_are_what_was_sold_to_the_chosen(
    rows: list[tuple[int, str, int, float]], share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = purchases(rows, tmp_path_factory.mktemp("lines") / "purchases.parquet")
    reader = Reader(path)
    gathering = Gathering(reader, share=share)
    for part in reader.parts():
        gathering.add(part)
    lines = gathering.lines()
    hashes = {who: int(pl.Series([token(who)]).hash()[0]) for who, *_ in rows}
    sold = [(hashes[w], i, d) for w, i, d, many in rows if many > 0 and hashes[w] < share * 2**64]
    first = (dt.date(2024, 1, 1) - dt.date(1970, 1, 1)).days
    assert lines.people.tolist() == sorted({who for who, _, _ in sold})
    assert lines.items.to_list() == sorted({item for _, item, _ in sold})
    told = zip(lines.people[lines.subject], lines.items.gather(lines.item), lines.day - first, strict=True)
    assert [(int(who), item, int(day)) for who, item, day in told] == sold
    assert reader.rows == len(rows)
    assert len(reader.subjects.values) == len({who for who, *_ in rows})
    assert set(tokens_in(path)) == {token(who) for who, *_ in rows}
    if share == 1:
        assert np.array_equal(read_lines(path).subject, lines.subject)


def test_a_release_without_a_row_is_judged(tmp_path: Path) -> None:
    purchases([], tmp_path / "purchases.parquet")
    figures, subjects = purchase_figures(tmp_path, GateSettings())
    assert subjects == 0
    assert [figure.value for figure in figures] == [0] * 5
    assert rare_in(tmp_path / "purchases.parquet", 5)[1].is_empty()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 900)), min_size=1), st.booleans())
@settings(deadline=None, max_examples=15)
def test_points_are_numbered_alike_by_a_table_and_by_sorting(rows: list[tuple[int, int, int]], latest: bool) -> None:  # noqa: FBT001 - a case
    subject, item, day = (np.asarray(column) for column in zip(*rows, strict=True))
    people = np.arange(4, dtype=np.uint64)
    lines = Lines(people, pl.Series("item", ["a", "b", "c"]), subject.astype(np.uint32), item.astype(np.uint32), day)
    labels = labels_of(lines.items, Level.ITEM, None)
    whole = held(lines, labels, Days.WEEK, latest=latest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histories, "_CELLS", 0)
        by_sorting = held(lines, labels, Days.WEEK, latest=latest)
    for name in ("subject", "point", "latest", "codes"):
        assert np.array_equal(getattr(whole, name), getattr(by_sorting, name))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40_000)), max_size=20), st.sampled_from([1, 2**59]))
@settings(deadline=None, max_examples=15)
def test_keys_and_days_are_in_order_also_where_one_number_has_no_room(pairs: list[tuple[int, int]], scale: int) -> None:
    key, day = (np.asarray([pair[place] for pair in pairs], np.int64) for place in (0, 1))
    keys, days = in_order(key * scale, day.astype(np.int32))
    assert list(zip((keys // scale).tolist(), days.tolist(), strict=True)) == sorted(pairs)
