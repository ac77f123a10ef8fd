from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.inputs import open_raw
from recsys.errors import ContractError

CANARY = "ada@canary.example"
cells = st.one_of(st.none(), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1))


def read(path: Path) -> pl.DataFrame:
    return pl.concat([batch.frame for batch in open_raw(path).batches()])


@given(st.lists(st.tuples(cells, cells), min_size=1))
def test_a_csv_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    frame.write_csv(path, quote_style="non_numeric")
    assert read(path).equals(frame)


def test_cells_of_a_csv_are_text_and_may_hold_newlines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\ufeffcard,note\n007,"one\ntwo, ""three"""\n1e5,\n')
    assert read(path).rows() == [("007", 'one\ntwo, "three"'), ("1e5", None)]


@given(st.lists(st.tuples(cells, cells), min_size=1), st.integers(0, 99), st.sampled_from(["", "x", "x,y,z"]))
def test_a_row_that_is_none_is_skipped_and_the_others_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], place: int, line: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    place = min(place, frame.height)
    parts = [part.write_csv(quote_style="non_numeric", include_header=False) for part in split(frame, place)]
    path.write_text(f"a,b\n{parts[0]}{line}\n{parts[1]}", newline="")
    skipped: list[tuple[int, str, str]] = []
    batches = list(open_raw(path).batches(lambda *row: skipped.append(row)))
    assert pl.concat([batch.frame for batch in batches]).equals(frame)
    assert skipped == ([(place + 1, "has not as many cells as the header", line)] if line else [])
    numbers = [number for batch in batches for number in batch.numbers]
    assert numbers == [row for row in range(1, frame.height + 1 + bool(line)) if not line or row != place + 1]


def split(frame: pl.DataFrame, place: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return frame.head(place), frame.slice(place)


def test_rows_that_are_none_late_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 300_000 + f"{CANARY}\n3,\n\n\0,4\n5,6\n")
    skipped: list[tuple[int, str, str]] = []
    batches = list(open_raw(path).batches(lambda *row: skipped.append(row)))
    frame = pl.concat([batch.frame for batch in batches])
    assert frame.tail(2).rows() == [("3", None), ("5", "6")]
    assert (frame.height, batches[-1].numbers[-1]) == (300_002, 300_004)
    assert skipped == [
        (300_001, "has not as many cells as the header", CANARY),
        (300_003, "column 1 holds a NUL byte", "\0,4"),
    ]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ('3,"4\n5,6\n', "never closed"),
        ('3,"' + "x,\n" * 100_000, "never closed"),
        ("3,\udcff\n", "UTF-8"),
    ],
    ids=["open quote", "open quote, long", "not UTF-8"],
)
def test_after_a_row_that_is_none_the_rest_is_read_as_strictly(tmp_path: Path, rest: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"a,b\n1,2\n{CANARY}\n{rest}".encode(errors="surrogateescape"))
    with pytest.raises(ContractError, match=message) as caught:
        list(open_raw(path).batches(lambda *_: None))
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("before", ["", f"{CANARY}\n"], ids=["read by Arrow", "read by Python"])
@pytest.mark.parametrize(
    "cell", ["x" * 10_000_000, '"' + ("x" * 999 + "\n") * 10_000 + '"', '"' + '""' * 5_000_000 + '"']
)
def test_ten_megabytes_in_one_cell_are_one_row_that_is_none(tmp_path: Path, before: str, cell: str) -> None:
    path, long = tmp_path / "t.csv", f"3,{cell}"
    path.write_text(f"a,b\n1,2\n{before}{long}\n5,6\n7,8\n")
    with pytest.raises(ContractError, match=r"its cells number 1|longer than 1 MiB.* bad_rows = 'quarantine'"):
        list(open_raw(path).batches())
    skipped: list[tuple[int, str, str]] = []
    frame = pl.concat([batch.frame for batch in open_raw(path).batches(lambda *row: skipped.append(row))])
    assert frame.rows() == [("1", "2"), ("5", "6"), ("7", "8")]
    number, why, line = skipped[-1]
    assert (number, why) == (2 + bool(before), "holds a cell longer than 128 KiB")
    assert line == long


def test_rows_are_numbered_through_all_batches(tmp_path: Path) -> None:
    rows = 1_200_000
    pl.DataFrame({"row": range(1, rows + 1)}).write_csv(tmp_path / "t.csv")
    pl.DataFrame({"row": range(1, rows + 1)}).write_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        batches = list(open_raw(tmp_path / name).batches())
        assert len(batches) > 1
        assert [int(batch.frame["row"][0]) for batch in batches] == [batch.numbers[0] for batch in batches]
        assert sum(batch.frame.height for batch in batches) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n", "the table has no rows"),
        (f"a,b\n1,2\n3,{CANARY},4\n", "row 2: its cells number 3, those of the header 2"),
        ("a,b\n" + "1,2\n" * 900_000 + f"{CANARY}\n", "row 900001: its cells number 1"),
        (f'a,b\n1,2\n3,"{CANARY}\n4,5\n', "never closed"),
        (f"a,b\n1,2\n3,{CANARY}\0\n", "row 2, column 2 holds a NUL byte"),
        ("a,b\n" + "1,2\n" * 900_000 + f"\0,{CANARY}\n", "row 900001, column 1 holds a NUL byte"),
        (f"{CANARY},{CANARY}\n1,2\n", "columns 1 and 2 have the same name"),
        ("a,b\n1," + CANARY * 400_000 + "\n", "a row is longer than"),
        ("a,b\n" + "1,2\n" * 900_000 + "1," + CANARY * 400_000 + "\n", "a row after row "),
    ],
    ids=[
        "empty",
        "header only",
        "too many cells",
        "too few cells, late",
        "open quote",
        "NUL",
        "NUL, late",
        "same names",
        "huge cell",
        "huge cell, late",
    ],
)
def test_a_csv_that_is_no_table(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ContractError) as caught:
        read(tmp_path / "t.csv")
    assert message in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n3,\xff\n")
    with pytest.raises(ContractError, match="UTF-8"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, -1])
def test_a_parquet_file_that_was_cut_off(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [f"{CANARY}{i}" for i in range(5000)]}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)] if isinstance(kept, float) else whole[:kept])
    with pytest.raises(ContractError, match=r"empty|cut off") as caught:
        read(path)
    assert CANARY not in str(caught.value)


def test_a_parquet_file_damaged_inside(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [f"{CANARY}{i}" for i in range(5000)]}).write_parquet(path)
    whole = bytearray(path.read_bytes())
    whole[200:400] = bytes(200)
    path.write_bytes(whole)
    with pytest.raises(ContractError, match="cut off, damaged"):
        read(path)


def test_a_type_that_polars_cannot_read(tmp_path: Path) -> None:
    numbers = pa.array([Decimal("1.5")], pa.decimal256(50, 1))
    pq.write_table(pa.table({"value": numbers}), tmp_path / "t.parquet")
    with pytest.raises(ContractError, match=r"column 'value' has type decimal256"):
        open_raw(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["absent.csv", "folder.csv", "t.xlsx"])
def test_no_such_table(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(ContractError, match=name):
        open_raw(tmp_path / name)


@pytest.mark.slow
def test_a_wide_table_comes_in_batches_of_fewer_rows(tmp_path: Path) -> None:
    path, rows = tmp_path / "wide.parquet", 300_000
    pl.DataFrame({"n": np.arange(rows)}).select(pl.col("n").alias(f"c{place}") for place in range(60)).write_parquet(
        path
    )
    sizes = [batch.height for batch in open_raw(path).batches()]
    assert sum(sizes) == rows
    assert max(sizes) * 60 < 10_000_000
