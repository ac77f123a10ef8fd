"""One clear message that names file, row and column, never the value, and nothing written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.commands import no_leftovers

from pseudonymize.report import RunReport
from recsys.errors import ContractError

Release = Callable[..., RunReport]
PolicyFile = Callable[[Mapping[str, str]], Path]
CANARY = "ada@canary.example"
DAY = dt.datetime(2017, 1, 2, 12, tzinfo=dt.UTC).replace(tzinfo=None)
CELLS = [
    ("receipts.parquet", "loyalty_card", 3, None, "row 3, column 'loyalty_card' is empty"),
    ("receipts.parquet", "item", 4, "  ", "row 4, column 'item' breaks the contract"),
    ("receipts.parquet", "item", 4, None, "row 4, column 'item' is empty"),
    ("receipts.parquet", "sold_at", 2, None, "row 2, column 'sold_at' is empty"),
    (
        "receipts.parquet",
        "sold_at",
        4,
        dt.datetime(2018, 1, 2, tzinfo=dt.UTC),
        "row 4, column 'sold_at' lies in the fut",
    ),
    ("receipts.parquet", "quantity", 4, None, "row 4, column 'quantity' is empty"),
    ("receipts.parquet", "quantity", 4, float("nan"), "row 4, column 'quantity' breaks the contract. A quantity is a"),
    ("receipts.parquet", "value", 4, 0.9, "row 4, column 'value' makes the price negative"),
    ("receipts.parquet", "value", 1, -0.01, "row 1, column 'value' makes the price negative"),
    ("receipts.parquet", "value", 2, float("inf"), "row 2, column 'value' breaks the contract"),
    ("customers.csv", "loyalty_card", 3, "", "row 3, column 'loyalty_card' is empty"),
    ("customers.csv", "consent_app", 2, CANARY, "row 2, column 'consent_app' is neither a yes nor a no"),
    ("customers.csv", "birth_date", 3, CANARY, "row 3, column 'birth_date' is not a time"),
    ("customers.csv", "birth_date", 1, "2018-01-02", "row 1, column 'birth_date' lies in the future"),
    ("redemptions.csv", "offer_id", 1, "", "row 1, column 'offer_id' is empty"),
    ("redemptions.csv", "redeemed_on", 1, CANARY, "row 1, column 'redeemed_on' is not a date (YYYY-MM-DD)"),
    ("redemptions.csv", "redeemed_on", 1, "2018-01-02", "row 1, column 'redeemed_on' lies in the future"),
]


def table(shop: SimpleNamespace, name: str) -> dict[str, list[object]]:
    return getattr(shop, name.partition(".")[0])


def assert_refused(shop: SimpleNamespace, release: Release, out: Path, name: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        release(shop.files, out)
    assert f"{shop.folder / name}: " in str(caught.value)
    assert message in str(caught.value)
    assert "canary" not in str(caught.value).lower()
    assert caught.value.__cause__ is None
    assert not out.exists()
    assert no_leftovers(out.parent)


@pytest.mark.parametrize(("name", "column", "row", "cell", "message"), CELLS)
def test_one_bad_cell(  # noqa: PLR0913, PLR0917 - the parts of a case
    shop: SimpleNamespace,
    release: Release,
    tmp_path: Path,
    name: str,
    column: str,
    row: int,
    cell: object,
    message: str,
) -> None:
    values = table(shop, name)[column]
    cell = cell.replace(tzinfo=None) if isinstance(cell, dt.datetime) else cell
    values[row - 1] = cell
    if isinstance(cell, float):
        values[:] = [None if value is None else float(str(value)) for value in values]
    shop.write()
    assert_refused(shop, release, tmp_path / "out", name, message)


def test_text_where_a_number_belongs(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    pl.DataFrame(shop.receipts).with_columns(quantity=pl.Series(["1", "2", "0", CANARY])).write_csv(
        shop.folder / "receipts.csv"
    )
    shop.files[1].unlink()
    with pytest.raises(ContractError) as caught:
        release([shop.folder / "receipts.csv"], tmp_path / "out")
    assert "receipts.csv: row 4, column 'quantity' is not a number" in str(caught.value)


@pytest.mark.parametrize("cells", [[True] * 4, [DAY] * 4, [["x"]] * 4, [b"x"] * 4])
@pytest.mark.parametrize("column", ["loyalty_card", "receipt", "item", "quantity", "value"])
def test_a_column_of_another_type(
    shop: SimpleNamespace, release: Release, tmp_path: Path, column: str, cells: list[object]
) -> None:
    shop.receipts[column] = cells
    shop.write()
    assert_refused(shop, release, tmp_path / "out", "receipts.parquet", f"column '{column}' has type ")


def test_a_late_row_in_a_large_file_keeps_its_number_though_others_were_dropped(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    late = 299_999
    frame = pl.DataFrame(shop.receipts).select(pl.all().gather(pl.int_range(400_000) % 4))
    frame = frame.with_columns(
        receipt=pl.format("R{}", pl.int_range(pl.len())),
        value=pl.when(pl.int_range(pl.len()) == late - 1).then(-5.0).otherwise("value"),
    ).with_columns(quantity=pl.when(pl.int_range(pl.len()) == late - 1).then(1).otherwise("quantity"))
    frame.write_parquet(shop.folder / "receipts.parquet")
    assert_refused(
        shop, release, tmp_path / "out", "receipts.parquet", f"row {late}, column 'value' makes the price negative"
    )


def test_quantity_zero_is_refused_where_the_policy_does_not_drop_it(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    fields = policy_file({"drop_zero_quantity = true": ""})
    with pytest.raises(ContractError, match="row 3, column 'quantity' breaks the contract"):
        release(shop.files, tmp_path / "out", fields=fields)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("email", "e_mail", "column 'email' is missing. Is it column 20?"),
        ("email", None, "column 'email' is missing. Add it, or take it out of tables.customers"),
        (None, "national_id", "column 21 is not named in tables.customers. Say in"),
        (None, "e_mail", "column 21 is not named in tables.customers (it is most like 'email'). Say in"),
        (None, CANARY, "column 21 is not named in tables.customers. Say in"),
        ("email", CANARY, "column 'email' is missing"),
        ("email", "email@c", "column 'email' is missing. Is it column 20?"),
    ],
)
def test_columns_and_policy_must_name_each_other(
    shop: SimpleNamespace, release: Release, tmp_path: Path, old: str | None, new: str | None, message: str
) -> None:
    values = shop.customers.pop(old) if old else [CANARY] * 3
    if new:
        shop.customers[new] = values
    shop.write()
    assert_refused(shop, release, tmp_path / "out", "customers.csv", message)


def test_a_file_without_a_header_is_not_quoted(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    (shop.folder / "redemptions.csv").write_text(f"{CANARY},C-1,2017-01-05\n{CANARY},C-2,2017-01-06\n")
    assert_refused(shop, release, tmp_path / "out", "redemptions.csv", "has none of the columns of tables.redemptions")


def test_the_first_file_is_not_written_when_the_last_is_bad(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    (shop.folder / "redemptions.csv").write_text("")
    assert_refused(shop, release, tmp_path / "out", "redemptions.csv", "the file is empty")
    (shop.folder / "redemptions.csv").write_text("loyalty_card,offer_id,redeemed_on\n9840,C-1,2017-01-05\n1,2\n")
    assert_refused(shop, release, tmp_path / "out", "redemptions.csv", "row 2: its cells number 2")
