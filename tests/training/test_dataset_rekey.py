from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import assert_clear_failure, no_leftovers, run
from support.releases import all_tokens, bytes_of, held, one_time_map, order, people, receipts, released, rows_of
from support.tastes import Done, Train
from support.tokens import token

from recsys.contracts.document import decode_document
from recsys.contracts.recipient import TRAINING
from recsys.contracts.rekey import RekeyReceipt, read_map
from training.purchases.rekey import replaced_tokens

FIRST = dt.date(2024, 1, 1)
LATER = FIRST + dt.timedelta(days=7)
ANNA, BELA = token("anna"), token("bela")


@pytest.fixture
def folder(tmp_path: Path, train: Train) -> Path:
    tables = {"purchases": receipts(["anna", "bela"], first=FIRST), "subjects": people(["anna", "bela"])}
    second = receipts(["bela"], first=LATER).with_columns(basket=pl.lit(None, pl.String))
    released(tmp_path / "r1", tables)
    released(tmp_path / "r2", {"purchases": second})
    for release in ("r1", "r2"):
        assert train("append", tmp_path / release, "--purchases", tmp_path / "dataset").returncode == 0
    return tmp_path


def a_map(folder: Path, *, without: int = 0, **changed: Any) -> Path:  # noqa: ANN401 - options of `one_time_map`
    tokens = all_tokens(folder / "dataset").sort()
    return one_time_map(folder / "map.parquet", tokens[without:], **changed)


def rekey(folder: Path, train: Train) -> Done:
    out = ("--purchases", folder / "dataset", "--out", folder / "receipt.json")
    return train("rekey", folder / "map.parquet", *out)


def receipt_in(folder: Path) -> RekeyReceipt:
    return decode_document((folder / "receipt.json").read_bytes(), RekeyReceipt, where="receipt")


def in_new_tokens(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.String).str.replace(r"^s1\.rec\.01\.", "s1.rec.02."))


@pytest.mark.slow
def test_every_token_is_replaced_and_joins_stay(folder: Path) -> None:
    """By the real command."""
    dataset = folder / "dataset"
    before = {table: rows_of(dataset, table) for table in ("purchases", "subjects")}
    out = ("--purchases", dataset, "--out", folder / "receipt.json")
    done = run("training", "rekey", a_map(folder), *out)
    assert done.returncode == 0, done.stderr
    for table, frame in before.items():
        assert rows_of(dataset, table).equals(in_new_tokens(frame).sort(frame.columns[:4]))
    assert b"s1.rec.01" not in bytes_of(dataset)
    assert held(dataset).epochs == ("02",)
    receipt = receipt_in(folder)
    assert receipt.destroyed
    assert (receipt.recipient, receipt.from_epoch, receipt.to_epoch) == (TRAINING, "01", "02")
    assert receipt.replaced == {"purchases": 27 + 18, "subjects": 2, "redemptions": 0, "demographics": 0}
    assert set(receipt.unmapped.values()) == {0}
    assert not (folder / "map.parquet").exists()
    assert {path.name for path in dataset.iterdir()} == {"dataset.json", *held(dataset).files}
    assert no_leftovers(folder)


def test_a_map_that_lacks_a_token_changes_nothing(folder: Path, train: Train) -> None:
    before = bytes_of(folder / "dataset")
    a_map(folder, without=2)
    assert_clear_failure(rekey(folder, train), "lacks 2 tokens", "nothing was changed")
    assert bytes_of(folder / "dataset") == before
    assert (folder / "map.parquet").exists()
    assert not (folder / "receipt.json").exists()


def test_applied_twice_it_says_so(folder: Path, train: Train) -> None:
    shutil.copy(a_map(folder), folder / "copy")
    assert rekey(folder, train).returncode == 0
    receipt, dataset = (folder / "receipt.json").read_bytes(), bytes_of(folder / "dataset")
    assert_clear_failure(rekey(folder, train), "no such map", "applied and destroyed on")
    shutil.copy(folder / "copy", folder / "map.parquet")
    again = rekey(folder, train)
    assert again.returncode == 0
    assert "applied already" in again.stderr
    assert (folder / "receipt.json").read_bytes() == receipt
    assert bytes_of(folder / "dataset") == dataset
    assert not (folder / "map.parquet").exists()


def test_a_half_destroyed_map_is_gone_on_with(folder: Path, train: Train) -> None:
    """As a kill during the overwriting leaves it, with the receipt that does not say `destroyed` yet."""
    assert rekey_to_the_end_but_destroyed(folder, train).returncode == 0
    whole = receipt_in(folder)
    pending = (folder / "receipt.json").read_text().replace('"destroyed": true', '"destroyed": false')
    for left in (bytes(10) + b"rest of a map", None):
        (folder / "receipt.json").write_text(pending)
        if left is not None:
            (folder / "map.parquet").write_bytes(left)
        done = rekey(folder, train)
        assert done.returncode == 0, done.stderr
        assert "Going on" in done.stderr
        assert receipt_in(folder) == whole
        assert not (folder / "map.parquet").exists()


def rekey_to_the_end_but_destroyed(folder: Path, train: Train) -> Done:
    a_map(folder)
    return rekey(folder, train)


def test_a_strangers_receipt_is_not_gone_on_with(folder: Path, train: Train) -> None:
    a_map(folder)
    rekey(folder, train)
    text = (folder / "receipt.json").read_text().replace('"destroyed": true', '"destroyed": false')
    (folder / "receipt.json").write_text(text.replace(f"{1:032x}", f"{7:032x}"))
    assert_clear_failure(rekey(folder, train), "not applied to this dataset")


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ([token(1, domain="partner")], "the map is for 'partner'"),
        ([token(1, epoch="05")], "the map begins at 05"),
    ],
)
def test_a_map_for_something_else_is_refused(folder: Path, train: Train, old: list[str], message: str) -> None:
    before = bytes_of(folder / "dataset")
    one_time_map(folder / "map.parquet", pl.Series(old), to="06")
    assert_clear_failure(rekey(folder, train), message)
    assert bytes_of(folder / "dataset") == before
    assert (folder / "map.parquet").exists()


def test_a_person_under_both_epochs_becomes_one(folder: Path, train: Train) -> None:
    tables = {
        "purchases": receipts(["anna"], first=LATER, epoch="02"),
        "subjects": people(["anna"], consents=(), epoch="02"),
    }
    release = released(folder / "r3", tables, epoch="02")
    assert train("append", release, "--purchases", folder / "dataset", "--accept-epoch").returncode == 0
    assert held(folder / "dataset").epochs == ("01", "02")
    tokens = all_tokens(folder / "dataset")
    one_time_map(folder / "map.parquet", tokens.filter(tokens.str.starts_with("s1.rec.01")))
    assert rekey(folder, train).returncode == 0
    anna = token("anna", epoch="02")
    assert len(rows_of(folder / "dataset", "purchases").filter(pl.col("subject") == anna)) == 18
    subjects = rows_of(folder / "dataset", "subjects")
    assert subjects.filter(pl.col("subject") == anna)["consents"].to_list() == [[]]
    assert len(subjects) == 2
    assert held(folder / "dataset").epochs == ("02",)


def forget(folder: Path, train: Train, *tokens: str) -> None:
    (folder / "models").mkdir(exist_ok=True)
    asked = order(folder / "order.json", *tokens)
    named = ("--purchases", folder / "dataset", "--models", folder / "models", "--out", folder / "erasure.json")
    assert train("forget", asked, *named).returncode == 0


def test_tombstones_follow_the_map_or_end_with_the_epoch(folder: Path, train: Train) -> None:
    a_map(folder)  # made before Anna was erased, so that it names her
    forget(folder, train, ANNA, token("cara"))
    assert [stone.epoch for stone in held(folder / "dataset").tombstones] == ["01", "01"]
    assert rekey(folder, train).returncode == 0
    assert [stone.epoch for stone in held(folder / "dataset").tombstones] == ["02"]
    late = receipts(["anna", "bela"], first=LATER + dt.timedelta(7), epoch="02")
    release = released(folder / "r3", {"purchases": late}, epoch="02")
    done = train("append", release, "--purchases", folder / "dataset", "--json")
    assert done.json["suppressed"] == {"purchases": 9}


def test_an_epoch_that_was_left_does_not_come_back(folder: Path, train: Train) -> None:
    a_map(folder)
    rekey(folder, train)
    release = released(folder / "r3", {"purchases": receipts(["dora"], first=LATER)})
    done = train("append", release, "--purchases", folder / "dataset", "--accept-epoch")
    assert_clear_failure(done, "left epoch 01")


def test_an_old_order_after_the_map_is_refused_rather_than_answered_with_nothing(folder: Path, train: Train) -> None:
    a_map(folder)
    rekey(folder, train)
    (folder / "models").mkdir()
    named = ("--purchases", folder / "dataset", "--models", folder / "models", "--out", folder / "erasure.json")
    done = train("forget", order(folder / "order.json", BELA), *named)
    assert_clear_failure(done, "no token of epoch 02")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    column=st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=30),
    named=st.sets(st.integers(0, 9), min_size=1),
)
def test_a_column_is_replaced_as_a_loop_would(tmp_path: Path, column: list[int | None], named: set[int]) -> None:
    applied = read_map(one_time_map(tmp_path / "map.parquet", pl.Series([token(name) for name in named])))
    tokens = pl.Series("basket", [None if name is None else token(name) for name in column], dtype=pl.String)
    table = dict(applied.tokens.iter_rows())
    expected = [None if each is None else table.get(each, each) for each in tokens]
    assert replaced_tokens(tokens, applied).to_list() == expected
