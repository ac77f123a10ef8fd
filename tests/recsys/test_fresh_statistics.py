"""A file of item statistics is used with the bundle that it was counted for, as it was written, or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import msgspec
import polars as pl
import pytest

from recsys.bundle import Bundle, load_bundle
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.contracts.table import parquet_metadata
from recsys.errors import ContractError
from recsys.fresh_statistics import read_fresh_statistics, write_fresh_statistics

MODELS = Path(__file__).parents[2] / "models"
DAY = dt.date(2025, 3, 20)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(MODELS / "corner-shop", trust=MODELS / "corner-shop.pub")


@pytest.fixture
def counted(bundle: Bundle, tmp_path: Path) -> Path:
    path = tmp_path / "stats.parquet"
    write_fresh_statistics(bundle.statistics.reverse(), path, bundle=bundle, as_of=DAY, consent="training")
    return path


def assert_refused(path: Path, bundle: Bundle, what: str, latest: dt.date = DAY) -> None:
    with pytest.raises(ContractError, match=what) as caught:
        read_fresh_statistics(path, bundle, latest=latest)
    assert str(path) in str(caught.value)


def test_what_was_written_is_read(bundle: Bundle, counted: Path) -> None:
    read = read_fresh_statistics(counted, bundle, latest=DAY)
    assert read.as_of == DAY
    assert read.table.equals(bundle.statistics.reverse())


def test_another_bundle_refuses_it(bundle: Bundle, counted: Path) -> None:
    newer = dataclasses.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, version="20250401-0123abcd"))
    assert_refused(counted, newer, "another bundle")


def test_a_number_that_was_changed_is_noticed(bundle: Bundle, counted: Path) -> None:
    """Parquet itself would not notice: it is written anew, with all that the file says of itself."""
    metadata = parquet_metadata(counted)
    pl.read_parquet(counted).with_columns(pl.col("popularity_1d") + 1).write_parquet(counted, metadata=metadata)
    assert_refused(counted, bundle, "changed after it was written")


def test_half_a_file_and_none_are_refused(bundle: Bundle, counted: Path) -> None:
    counted.write_bytes(counted.read_bytes()[:-100])
    assert_refused(counted, bundle, "cut off, damaged")
    counted.unlink()
    assert_refused(counted, bundle, "no such file")


def test_what_does_not_say_its_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    ITEM_STATISTICS.write(bundle.statistics, tmp_path / "stats.parquet")
    assert_refused(tmp_path / "stats.parquet", bundle, "does not say which bundle")
    ITEM_STATISTICS.write(bundle.statistics, tmp_path / "stats.parquet", metadata={"recsys.statistics": '{"bundle":1}'})
    assert_refused(tmp_path / "stats.parquet", bundle, "does not say which bundle")


def test_nothing_looks_ahead(bundle: Bundle, counted: Path) -> None:
    assert_refused(counted, bundle, "counts days after", latest=DAY - dt.timedelta(days=1))


@pytest.mark.parametrize("change", [{"buyers": 1}, {"item": "no item of the bundle"}])
def test_few_buyers_and_unknown_items_are_refused(bundle: Bundle, tmp_path: Path, change: dict[str, object]) -> None:
    one = bundle.statistics.head(1).with_columns(**{name: pl.lit(value) for name, value in change.items()})
    table = one.cast(bundle.statistics.schema)
    write_fresh_statistics(table, tmp_path / "stats.parquet", bundle=bundle, as_of=DAY, consent="training")
    assert_refused(tmp_path / "stats.parquet", bundle, "items that the bundle does not have, or of too few buyers")


def test_nothing_is_written_where_nothing_counts(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="enough buyers"):
        write_fresh_statistics(
            bundle.statistics.clear(), tmp_path / "stats.parquet", bundle=bundle, as_of=DAY, consent="training"
        )
    assert not list(tmp_path.iterdir())


def asking(bundle: Bundle, consent: str) -> Bundle:
    """The bundle, as if it had been learned from those of whom a manifest says so."""
    data = msgspec.structs.replace(bundle.manifest.data, consent=consent)
    return dataclasses.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, data=data))


def test_those_who_may_have_refused_are_not_counted_beside_those_who_agreed(bundle: Bundle, tmp_path: Path) -> None:
    path, nobody_asked = tmp_path / "stats.parquet", asking(bundle, "assumed")
    with pytest.raises(ContractError, match="who agreed to training"):
        write_fresh_statistics(bundle.statistics, path, bundle=bundle, as_of=DAY, consent="assumed")
    assert not list(tmp_path.iterdir())
    write_fresh_statistics(bundle.statistics, path, bundle=nobody_asked, as_of=DAY, consent="assumed")
    assert read_fresh_statistics(path, nobody_asked, latest=DAY).as_of == DAY
    assert_refused(path, bundle, "may have refused")
    write_fresh_statistics(bundle.statistics, path, bundle=bundle, as_of=DAY, consent="training")
    assert read_fresh_statistics(path, nobody_asked, latest=DAY).as_of == DAY, "fewer may always be counted"
