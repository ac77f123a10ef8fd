from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from support.tokens import token

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import PURCHASES, read_purchases
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import ContractError, RecsysError

TODAY = dt.date(2017, 12, 1)
RAW = "anna.berg@example.org"


def purchases(**changes: object) -> pl.DataFrame:
    columns: dict[str, object] = {
        "subject": [token(1), token(2)],
        "item": ["a", "b"],
        "day": [dt.date(2017, 1, 1), dt.date(2017, 1, 2)],
        "quantity": [1.0, 2.0],
        "value": [3.0, None],
    }
    return pl.DataFrame(columns | changes, strict=False)


def refusal(frame: pl.DataFrame, path: Path) -> str:
    frame.write_parquet(path)
    with pytest.raises(RecsysError) as error:
        read_purchases(path, today=TODAY)
    text = str(error.value)
    assert str(path) in text
    assert RAW not in text
    return text


def test_purchases_come_back_as_they_were_written(tmp_path: Path) -> None:
    PURCHASES.write(purchases(), tmp_path / "p.parquet")
    assert read_purchases(tmp_path / "p.parquet", today=TODAY).equals(purchases())


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"subject": [token(1), RAW]}, ["row 2", "'subject'", "identity gate"]),
        ({"day": [dt.date(2017, 1, 1), dt.date(2018, 1, 2)]}, ["row 2", "'day'", "future"]),
        ({"day": [dt.datetime(2017, 1, 1), dt.datetime(2017, 1, 2)]}, ["'day'", "Datetime", "date (YYYY-MM-DD)"]),  # noqa: DTZ001 - what a till writes
        ({"day": [dt.date(1970, 1, 1), dt.date(1969, 12, 31)]}, ["row 2", "'day'", "clock"]),
        ({"value": [-1.0, 2.0]}, ["row 1", "'value'", "price negative"]),
        ({"quantity": [1.0, 0.0]}, ["row 2", "'quantity'", "return is negative"]),
        ({"quantity": [1.0, float("nan")]}, ["row 2", "'quantity'"]),
        ({"item": ["a", None]}, ["row 2", "'item'", "empty"]),
        ({"item": [1, 2]}, ["'item'", "Int64", "text"]),
        ({RAW: ["a", "b"]}, ["column 6", "unknown"]),
    ],
)
def test_a_violation_names_file_row_column_and_mend(
    changes: dict[str, object], parts: list[str], tmp_path: Path
) -> None:
    text = refusal(purchases(**changes), tmp_path / "p.parquet")
    assert all(part in text for part in parts), text


def test_a_misspelt_column_is_named_with_its_neighbour(tmp_path: Path) -> None:
    text = refusal(purchases().rename({"quantity": "quantiy"}), tmp_path / "p.parquet")
    assert "'quantity' is missing" in text
    assert "Rename column 'quantiy'" in text


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    purchases().write_parquet(path)
    whole = path.read_bytes()
    for content, part in ((whole[:-20], "cut off"), (b"", "empty"), (b"PAR1" * 9, "cut off")):
        path.write_bytes(content)
        with pytest.raises(ContractError, match=part):
            read_purchases(path, today=TODAY)
    with pytest.raises(ContractError, match="no such file"):
        read_purchases(tmp_path / "absent.parquet", today=TODAY)
    purchases().clear().write_parquet(path)
    with pytest.raises(ContractError, match="no rows"):
        read_purchases(path, today=TODAY)


def test_a_newer_version_and_another_contract_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    purchases().write_parquet(path, metadata={"recsys.contract": "purchases/2"})
    with pytest.raises(ContractError, match="version 2"):
        read_purchases(path, today=TODAY)
    purchases().write_parquet(path, metadata={"recsys.contract": "subjects/1"})
    with pytest.raises(ContractError, match="holds subjects"):
        read_purchases(path, today=TODAY)


def test_a_folder_of_purchases_reads_as_one(tmp_path: Path) -> None:
    PURCHASES.write(purchases(), tmp_path / "purchases-1.parquet")
    PURCHASES.write(purchases().drop("value"), tmp_path / "purchases-2.parquet")
    assert len(read_purchases(tmp_path, today=TODAY)) == 4


def test_csv_is_typed_by_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "offers.csv"
    path.write_text("offer_id,items,title,valid_from,valid_until\no1,a; b,Coffee,2017-01-01,2017-01-31\no2,c,Tea,,\n")
    offers = OFFERS.read(path)
    assert offers["items"].to_list() == [["a", "b"], ["c"]]
    assert offers["valid_until"].to_list() == [dt.datetime(2017, 2, 1, tzinfo=dt.UTC), None]
    path.write_text("offer_id,items,title,stock\no1,a,Coffee,few\n")
    with pytest.raises(ContractError, match="row 1, column 'stock' is not a whole number"):
        OFFERS.read(path)


def test_an_offer_needs_items_and_its_own_id() -> None:
    offer = {"offer_id": ["o1", "o1"], "items": [["a"], ["b"]], "title": ["t", "t"]}
    others = {"offer_id": ["o2", "o2"], "items": [["a"], ["b"]], "title": ["t", "t"]}
    with pytest.raises(ContractError, match="row 1: the same offer_id stands in 2 rows"):
        OFFERS.checked(pl.concat([pl.DataFrame(offer), pl.DataFrame(others)]), where="offers")
    with pytest.raises(ContractError, match="row 2, column 'items'"):
        OFFERS.checked(pl.DataFrame(offer | {"offer_id": ["o1", "o2"], "items": [["a"], []]}), where="offers")


def test_consents_are_known_purposes() -> None:
    frame = pl.DataFrame({"subject": [token(1)], "consents": [["profiling", "channel:email"]]})
    assert SUBJECTS.checked(frame, where="s")["consents"].to_list() == [["profiling", "channel:email"]]
    with pytest.raises(ContractError, match="'consents'"):
        SUBJECTS.checked(frame.with_columns(consents=[["everything"]]), where="s")


def test_nobody_consents_by_an_empty_list() -> None:
    frame = pl.DataFrame({"subject": [token(1)], "consents": [[]]})
    assert SUBJECTS.checked(frame, where="s")["consents"].to_list() == [[]]


def test_a_category_path_has_no_empty_part() -> None:
    good = pl.DataFrame({"item": ["a"], "category": ["GROCERY / BEERS/ALES"], "title": ["Beer"]})
    assert len(CATALOGUE.checked(good, where="c")) == 1
    with pytest.raises(ContractError, match="no part empty"):
        CATALOGUE.checked(good.with_columns(category=pl.lit("GROCERY /  / X")), where="c")


def test_nothing_is_written_where_the_contract_breaks(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        PURCHASES.write(purchases(quantity=[1.0, 0.0]), tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []
