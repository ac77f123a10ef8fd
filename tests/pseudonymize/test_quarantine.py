"""Rows that cannot be read: in the vault with their reasons, none lost, and none in the release."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.search import contents, found

from pseudonymize.report import RunReport
from pseudonymize.vault import Vault
from recsys.errors import ContractError

Release = Callable[..., RunReport]
FIELDS = """
version = 1
[fields.mail]
canonical = "email"
[fields.receipt]
[tables.receipts]
match = "receipts*"
feeds = "purchases"
bad_rows = "{bad_rows}"
[tables.receipts.columns]
mail = {{ role = "subject", field = "mail" }}
receipt = {{ role = "identifier", action = "tokenise", field = "receipt", to = "basket" }}
sold_at = {{ role = "quasi", generalise = "week", to = "day" }}
item = {{ role = "feature", to = "item" }}
quantity = {{ role = "feature", to = "quantity" }}
value = {{ role = "quasi", generalise = "round", step = 5, to = "value" }}
"""
KINDS = [
    ("canary.example,R,2017-01-04 10:00:00,milk,1,2", "mail: is not an e-mail address"),
    (",R,2017-01-04 10:00:00,milk,1,2", "mail: is empty"),
    ("ada@canary.example,R,noon,milk,1,2", "sold_at: is not a time"),
    ("ada@canary.example,R,2019-01-04,milk,1,2", "sold_at: lies in the future"),
    ("ada@canary.example,R,2017-01-04,,1,2", "item: is empty"),
    ("ada@canary.example,R,2017-01-04,milk,many,2", "quantity: is not a number"),
    ("ada@canary.example,R,2017-01-04,milk,0,2", "quantity: breaks the contract"),
    ("ada@canary.example,R,2017-01-04,milk,1,-9", "value: makes the price negative"),
    ("ada@canary.example,R,2017-01-04,milk,1", "has not as many cells as the header"),
    ("ad\0a@canary.example,R,2017-01-04,milk,1,2", "column 1 holds a NUL byte"),
]


def receipts(folder: Path, bad: int) -> tuple[Path, list[str]]:
    """A CSV with good and bad rows by turns, and the bad lines."""
    lines, wrong = ["mail,receipt,sold_at,item,quantity,value"], []
    for number in range(bad):
        lines.append(f"p{number}@canary.example,R{number},2017-01-0{1 + number % 7} 10:00:00,milk,1,7.4")
        wrong.append(KINDS[number % len(KINDS)][0])
        lines.append(wrong[-1])
    path = folder / "receipts-bad.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, wrong


@pytest.fixture
def fields(tmp_path: Path) -> Callable[[str], Path]:
    def write(bad_rows: str) -> Path:
        path = tmp_path / f"{bad_rows}.toml"
        path.write_text(FIELDS.format(bad_rows=bad_rows))
        return path

    return write


def test_a_thousand_bad_rows_are_all_kept_with_their_reasons(
    release: Release, vault: Vault, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path, wrong = receipts(tmp_path, 1000)
    report = release([path], tmp_path / "out", fields=fields("quarantine"))
    assert report.release.rows == {"purchases.parquet": 1000}
    assert report.release.dropped["in quarantine"] == 1000
    assert report.quarantine_folder is not None
    (file,) = Path(report.quarantine_folder).iterdir()
    assert Path(report.quarantine_folder).is_relative_to(vault.path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    kept = pl.read_parquet(file)
    assert kept["row"].to_list() == list(range(2, 2001, 2))
    said = [f"{column}: {reason}" if column else reason for column, reason in kept.select("column", "reason").rows()]
    assert said == [KINDS[number % len(KINDS)][1] for number in range(1000)]
    raw = kept.select("raw mail", "raw receipt", "raw sold_at", "raw item", "raw quantity", "raw value").rows()
    for row, line, cells in zip(kept.rows(named=True), wrong, raw, strict=True):
        assert line in {row["line"], ",".join(cell or "" for cell in cells)}
    out = pl.read_parquet(tmp_path / "out" / "purchases.parquet")
    assert set(out["value"]) == {5.0}
    assert {day.weekday() for day in out["day"]} == {0}
    assert found(contents(tmp_path / "out"), ["canary"]) == []
    assert "1,000" in (tmp_path / "out" / "report.html").read_text()


def test_without_leave_only_an_unreadable_identifier_goes_there(
    release: Release, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "receipts.csv"
    good = "ada@canary.example,R,2017-01-04,milk,1,2"
    path.write_text(f"mail,receipt,sold_at,item,quantity,value\n{good}\n{KINDS[0][0]}\n")
    report = release([path], tmp_path / "out", fields=fields("refuse"))
    assert report.quarantine == {KINDS[0][1]: 1}
    path.write_text(f"mail,receipt,sold_at,item,quantity,value\n{good}\n{KINDS[2][0]}\n")
    with pytest.raises(ContractError, match="row 2, column 'sold_at' is not a time"):
        release([path], tmp_path / "again", fields=fields("refuse"))


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_nul_bytes_in_parquet_are_no_text_either(
    release: Release, fields: Callable[[str], Path], tmp_path: Path, dtype: pl.DataType
) -> None:
    path = tmp_path / "receipts.parquet"
    day = "2017-01-04"
    table = {"mail": ["a@x.org", "b@x.org", "c@x.org"], "receipt": ["1", "2", "3"], "sold_at": [day, None, day]}
    table |= {"item": pl.Series(["milk", "a", "mi\0lk"], dtype=dtype), "quantity": [1, 2, 3], "value": [1.0, 2.0, 5.0]}
    pl.DataFrame(table).write_parquet(path)
    with pytest.raises(ContractError, match="row 3, column 4 holds a NUL byte"):
        release([path], tmp_path / "no", fields=fields("refuse"))
    report = release([path], tmp_path / "out", fields=fields("quarantine"))
    assert report.quarantine == {"sold_at: is empty": 1, "column 4 holds a NUL byte": 1}
    kept = pl.read_parquet(next(Path(report.quarantine_folder or "").iterdir()))
    assert kept["row"].to_list() == [2, 3]
    assert kept["line"].to_list() == [None, f"c@x.org,3,{day},mi\0lk,3,5.0"]
    assert report.release.rows == {"purchases.parquet": 1}


def test_a_quotation_mark_that_is_never_closed_takes_no_rows_with_it(
    release: Release, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path, _ = receipts(tmp_path, 20)
    with path.open("a") as file:
        good = "ada@canary.example,R,2017-01-04,milk,1,2\n"
        file.write(good.replace("R", '"R') + good * 3)
    with pytest.raises(ContractError, match="a quotation mark is never closed"):
        release([path], tmp_path / "out", fields=fields("quarantine"))


def test_a_column_that_changes_its_type_half_way(
    release: Release, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "receipts.csv"
    rows = [f"p{n}@x.org,R{n},2017-01-04,milk,{'1' if n < 500 else 'one'},2" for n in range(1000)]
    path.write_text("mail,receipt,sold_at,item,quantity,value\n" + "\n".join(rows))
    assert release([path], tmp_path / "out", fields=fields("quarantine")).quarantine == {
        "quantity: is not a number": 500
    }
    with pytest.raises(ContractError, match=r"row 501, column 'quantity' is not a number.*\(and 499 more rows\)"):
        release([path], tmp_path / "no", fields=fields("refuse"))


def test_a_file_of_which_nothing_can_be_read_is_the_wrong_file(
    release: Release, vault: Vault, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "receipts.csv"
    path.write_text("mail,receipt,sold_at,item,quantity,value\n" + KINDS[0][0] + "\n")
    before = sorted(vault.path.rglob("*"))
    with pytest.raises(ContractError, match="not one of its rows"):
        release([path], tmp_path / "out", fields=fields("quarantine"))
    assert sorted(vault.path.rglob("*")) == before


def test_ten_megabytes_in_one_cell(release: Release, shop: SimpleNamespace, tmp_path: Path) -> None:
    for name in ("receipt", "item"):
        shop.receipts["receipt"] = ["R-1", "R-2", "R-3", "R-4"]
        shop.receipts[name] = ["a", "b", "c", "x" * 10_000_000]
        shop.write()
        with pytest.raises(ContractError, match=f"row 4, column '{name}' is longer than 1024 bytes"):
            release(shop.files, tmp_path / "out")


def test_ten_megabytes_in_one_cell_go_to_quarantine(
    release: Release, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path, _ = receipts(tmp_path, 10)
    long = f"ada@canary.example,R,2017-01-04,{'x' * 10_000_000},1,2"
    path.write_text(f"{path.read_text()}{long}\nada@canary.example,R,2017-01-04,milk,1,2\n")
    report = release([path], tmp_path / "out", fields=fields("quarantine"))
    assert report.release.rows == {"purchases.parquet": 11}
    assert report.quarantine["holds a cell longer than 128 KiB"] == 1
    kept = pl.read_parquet(next(Path(report.quarantine_folder or "").iterdir()))
    assert kept.filter(row=21)["line"].to_list() == [long]


def test_merges_are_counted_and_the_page_says_what_became_of_everything(
    release: Release, fields: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "receipts.csv"
    ways = ["ada@x.org", "ADA@x.org ", "ada@X.ORG", "bert@x.org", "\u0430da@x.org"]  # the last begins in Cyrillic
    rows = [f"{way},R{number},2017-01-04,milk,1,2" for number, way in enumerate(ways)]
    path.write_text("mail,receipt,sold_at,item,quantity,value\n" + "\n".join(rows))
    report = release([path], tmp_path / "out", fields=fields("refuse"))
    mail = {field.field: field for field in report.fields}["mail"]
    assert (mail.form, mail.written, mail.canonical, mail.merged) == ("email/1", 5, 3, 2)
    page = (tmp_path / "out" / "report.html").read_text()
    for text in ("day, the Monday of its week", "value, rounded to 5", "email/1", "In quarantine"):
        assert text in page
    assert "http" not in page
    assert json.loads((tmp_path / "out" / "release.json").read_text())["fingerprint"][:12] in page
