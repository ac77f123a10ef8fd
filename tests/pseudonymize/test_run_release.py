from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from support.commands import no_leftovers

from pseudonymize.report import RunReport
from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.purchases import PURCHASES, read_purchases
from recsys.contracts.release import release_beside
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import parquet_metadata
from recsys.errors import ContractError, OutputError, UsageError

Release = Callable[..., RunReport]
PolicyFile = Callable[[Mapping[str, str]], Path]
TODAY = dt.date(2018, 1, 1)


def rows(path: Path, *names: str) -> list[tuple[Any, ...]]:
    return pl.read_parquet(path).select(names).rows()


def test_every_table_fits_its_contract(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    report = release(shop.files, tmp_path / "out", never=["test kit"])
    out = tmp_path / "out"
    assert read_purchases(out, today=TODAY).height == 2
    assert [
        contract.read(out / f"{contract.name}.parquet").height for contract in (SUBJECTS, DEMOGRAPHICS, REDEMPTIONS)
    ] == [3, 3, 1]
    assert report.release == release_beside(out)
    assert no_leftovers(tmp_path)


def test_receipts_become_purchases(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    report = release(shop.files, tmp_path / "out", never=["test kit"])
    purchases = tmp_path / "out" / "purchases.parquet"
    assert rows(purchases, "item", "day", "quantity", "value") == [
        ("milk", dt.date(2017, 1, 1), 1.0, 1.5),
        ("bread", dt.date(2017, 1, 3), -1.0, -0.9),
    ]
    assert pl.read_parquet(purchases).columns == ["subject", "item", "day", "quantity", "value", "basket"]
    assert report.release.dropped == {"never offered": 1, "quantity zero": 1}


def test_a_rule_that_dropped_nothing_is_reported_too(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    shop.receipts["quantity"] = [1, 2, 1, -1]
    shop.write()
    assert release(shop.files, tmp_path / "out").release.dropped == {"quantity zero": 0}
    dropped = release(shop.files, tmp_path / "out2", never=["cigars"]).release.dropped
    assert dropped == {"never offered": 0, "quantity zero": 0}


def test_customers_become_subjects(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    release(shop.files, tmp_path / "out")
    subjects = tmp_path / "out" / "subjects.parquet"
    assert rows(subjects, "consents", "adult", "interests", "store") == [
        (["profiling", "training", "channel:email", "channel:till"], True, ["wine", "cheese"], "31"),
        ([], False, None, "32"),
        ([], None, ["baking"], "31"),
    ]


def test_people_may_be_asked_for_no_consent(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    names = [name for name in shop.customers if name.startswith("consent_")]
    lines = [line for line in policy_file({}).read_text().splitlines() if line.startswith("consent_")]
    for name in names:
        del shop.customers[name]
    shop.write()
    release(shop.files, tmp_path / "out", fields=policy_file(dict.fromkeys(lines, "")))
    assert rows(tmp_path / "out" / "subjects.parquet", "consents") == [([],)] * 3


def test_demographics_are_long_and_empty_cells_no_group(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    release(shop.files, tmp_path / "out")
    people = pl.read_parquet(tmp_path / "out" / "subjects.parquet")["subject"]
    assert set(rows(tmp_path / "out" / "demographics.parquet", "subject", "attribute", "group")) == {
        (people[0], "age", "45-54"),
        (people[2], "age", "65+"),
        (people[1], "kids_count", "2"),
    }


def test_one_person_has_one_token_in_every_file(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    release(shop.files, tmp_path / "out")
    people, buyers, redeemers = (
        pl.read_parquet(tmp_path / "out" / f"{name}.parquet")["subject"].to_list()
        for name in ("subjects", "purchases", "redemptions")
    )
    assert buyers[0] == people[0] == redeemers[0]
    assert buyers[-1] not in people  # bought, and is no known customer: no consents


def test_another_domain_shares_no_token(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    for domain in ("rec", "partner-1"):
        release(shop.files, tmp_path / domain, domain=domain)
    ours, theirs = (
        {
            token[-26:]
            for column in ("subject", "basket")
            for (token,) in rows(tmp_path / name / "purchases.parquet", column)
        }
        for name in ("rec", "partner-1")
    )
    assert len(ours) == len(theirs) == 4
    assert not ours & theirs


def test_the_same_files_and_vault_give_the_same_bytes(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    first, again = (release(shop.files, tmp_path / name).release for name in ("a", "b"))
    assert first.fingerprint == again.fingerprint


def test_the_release_names_its_files(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    made = release(shop.files, tmp_path / "out").release
    lines = []
    for path in sorted((tmp_path / "out").glob("*.parquet")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert (made.files[path.name], made.rows[path.name]) == (digest, pl.read_parquet(path).height)
        lines.append(f"{path.name} {digest}\n")
    assert made.fingerprint == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert len(lines) == 4


def test_the_version_inside_is_written_as_the_contract_writes_it(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    release(shop.files, tmp_path / "out")
    ours = tmp_path / "out" / "purchases.parquet"
    PURCHASES.write(pl.read_parquet(ours), tmp_path / "theirs.parquet")
    assert parquet_metadata(ours) == parquet_metadata(tmp_path / "theirs.parquet")


def test_the_report_counts_what_came_in(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    customers, receipts, _ = release(shop.files, tmp_path / "out").tables
    assert [(table.table, table.rows) for table in (customers, receipts)] == [("customers", 3), ("receipts", 4)]
    became = {column.column: (column.role, column.became, column.distinct) for column in receipts.columns}
    assert became["receipt"] == ("identifier", "basket: token of rec.01", 3)
    assert became["sold_at"] == ("quasi", "day, without the time of day", 3)
    assert became["store"] == ("drop", "dropped", 2)
    people = {column.column: (column.became, column.distinct) for column in customers.columns}
    assert people["email"] == ("dropped", 2)
    assert people["consent_app"] == ("consent to channel:app", 1)
    assert people["age"] == ("demographics: age", 2)


def test_a_folder_of_monthly_files_is_one_release(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    frame = pl.DataFrame(shop.receipts)
    frame.head(2).write_csv(shop.folder / "receipts-01.csv", datetime_format="%Y-%m-%dT%H:%M:%S")
    frame.tail(2).write_parquet(shop.folder / "receipts-02.parquet")
    parts = [shop.folder / "receipts-01.csv", shop.folder / "receipts-02.parquet"]
    release(parts, tmp_path / "parts")
    release(shop.files[1:2], tmp_path / "whole")
    assert [path.name for path in sorted((tmp_path / "parts").iterdir())] == [
        "gate.json",
        "purchases.parquet",
        "release.json",
        "report.html",
    ]
    assert pl.read_parquet(tmp_path / "parts" / "purchases.parquet").equals(
        pl.read_parquet(tmp_path / "whole" / "purchases.parquet")
    )


def test_a_person_in_two_rows_is_refused_also_across_files(
    shop: SimpleNamespace, release: Release, tmp_path: Path
) -> None:
    second = pl.read_csv(shop.files[0], infer_schema=False)
    second.with_columns(loyalty_card=pl.Series(["x", "9840000000000025", "y"])).write_csv(
        shop.folder / "customers2.csv"
    )
    with pytest.raises(
        ContractError, match=r"customers2\.csv: row 2: the same person stands in row 2 of .*customers\.csv"
    ):
        release([*shop.files, shop.folder / "customers2.csv"], tmp_path / "out")
    shop.customers["loyalty_card"] = ["a1", "b2", " A1"]
    shop.write()
    with pytest.raises(ContractError, match=r"customers\.csv: row 1: the same subject stands in 2 rows"):
        release(shop.files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


SURVEY = """

[tables.survey]
match = "survey*"
feeds = "demographics"
[tables.survey.columns]
card = { role = "subject", field = "loyalty_card" }
pets = { role = "evaluation", to = "has_pets" }
"""


def test_demographics_of_their_own_table(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    fields = policy_file({"# Receipts: one row a line.": SURVEY})
    for number, cards in ((1, ["9840000000000017", "77"]), (2, ["78", "LC-nünning"])):
        pl.DataFrame({"card": cards, "pets": ["yes", ""]}).write_csv(shop.folder / f"survey{number}.csv")
    surveys = [shop.folder / "survey1.csv", shop.folder / "survey2.csv"]
    release([*shop.files, *surveys], tmp_path / "out", fields=fields)
    people = pl.read_parquet(tmp_path / "out" / "subjects.parquet")["subject"]
    pets = pl.read_parquet(tmp_path / "out" / "demographics.parquet").filter(attribute="has_pets")
    assert pets.height == 2
    assert pets["subject"][0] == people[0]
    pl.DataFrame({"card": ["x", " 9840000000000017"], "pets": ["yes", "no"]}).write_csv(surveys[1])
    with pytest.raises(ContractError, match=r"survey2\.csv: row 2: the same person stands in row 1 of .*survey1\.csv"):
        release([*shop.files, *surveys], tmp_path / "again", fields=fields)


def test_a_category_is_not_tokenised(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    """Twelve values in a thousand rows: how often each token comes would tell which is which."""
    height = 2000
    frame = pl.DataFrame(shop.receipts).select(pl.all().gather([0] * height))
    frame = frame.with_columns(receipt=pl.format("store {}", pl.int_range(height) % 12))
    frame.write_parquet(shop.folder / "receipts.parquet")
    with pytest.raises(ContractError, match="column 'receipt' has 12 distinct values in 2000 rows") as caught:
        release(shop.files, tmp_path / "out")
    assert "role = 'drop'" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("occupied", ["out/old.parquet", "out"])
def test_nothing_is_written_over(shop: SimpleNamespace, release: Release, tmp_path: Path, occupied: str) -> None:
    place = tmp_path / occupied
    place.parent.mkdir(exist_ok=True)
    place.write_text("precious")
    with pytest.raises(OutputError, match="is not an empty folder"):
        release(shop.files, tmp_path / "out")
    assert place.read_text() == "precious"
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["customers.csv", "customers.csv"], UsageError, "is named twice"),
        (["returns.csv"], ContractError, r"no table matches this file.*customers \('customers\*'\)"),
        (["customers.old.parquet"], UsageError, "no such file"),
    ],
)
def test_files_that_cannot_be_placed(
    shop: SimpleNamespace, release: Release, tmp_path: Path, names: Sequence[str], error: type[Exception], message: str
) -> None:
    (shop.folder / "returns.csv").write_text("loyalty_card\n17\n")
    with pytest.raises(error, match=message):
        release([shop.folder / name for name in names], tmp_path / "out")


def test_a_file_that_two_tables_claim(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match="more than one table matches"):
        release(shop.files, tmp_path / "out", fields=policy_file({'match = "receipts*"': 'match = "*"'}))
