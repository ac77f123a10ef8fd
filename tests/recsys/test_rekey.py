from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.tokens import token

from recsys.contracts.rekey import REKEY_MAP, MapHeader, map_metadata, read_map
from recsys.errors import RecsysError

HEADER = MapHeader(map_id="0" * 32, domain="rec", from_epoch="01", to_epoch="02")
OLD = [token(1), token(2)]
NEW = [name.replace(".01.", ".02.") for name in OLD]


def written(path: Path, old: list[str], new: list[str], header: MapHeader = HEADER) -> Path:
    REKEY_MAP.write(pl.DataFrame({"from": old, "to": new}), path, metadata=map_metadata(header), mode=0o600)
    return path


def test_a_map_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path / "map.parquet", OLD, NEW)
    assert path.stat().st_mode & 0o777 == 0o600
    read = read_map(path)
    assert read.header == HEADER
    assert read.tokens.rows() == list(zip(OLD, NEW, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (OLD, [NEW[0], NEW[0]], "two tokens become one"),
        (NEW, NEW, "column 'from' does not hold tokens of rec.01"),
        (OLD, OLD, "column 'to' does not hold tokens of rec.02"),
        ([OLD[0], NEW[1]], NEW, "tokens of 2 domains or epochs"),
    ],
)
def test_a_map_that_is_not_one_to_one_is_refused(tmp_path: Path, old: list[str], new: list[str], message: str) -> None:
    with pytest.raises(RecsysError, match=message):
        read_map(written(tmp_path / "map.parquet", old, new))


def test_a_table_without_its_header_is_no_map(tmp_path: Path) -> None:
    pl.DataFrame({"from": OLD, "to": NEW}).write_parquet(tmp_path / "map.parquet")
    with pytest.raises(RecsysError, match="does not say which map it is"):
        read_map(tmp_path / "map.parquet")
