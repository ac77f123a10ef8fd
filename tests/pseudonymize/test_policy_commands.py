"""`check`, `suggest` and `record`, as processes; and what the new roles make of columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.search import contents, found

from pseudonymize.dry_run import dry_run, refuse_bad
from pseudonymize.fields_check import load_fields
from pseudonymize.processing_record import processing_record
from pseudonymize.report import RunReport
from pseudonymize.suggestion import suggest
from recsys.console import now
from recsys.errors import ContractError, PolicyError

Release = Callable[..., RunReport]
PolicyFile = Callable[[Mapping[str, str]], Path]
STORE = 'store = { role = "drop" }'
HOME = 'home_store = { role = "feature", to = "store" }'


@pytest.mark.slow
def test_check_explains_and_writes_nothing(shop: SimpleNamespace, fields_file: Path, tmp_path: Path) -> None:
    shop.customers["consent_app"] = ["perhaps", "", ""]
    shop.write()
    before = sorted(tmp_path.rglob("*"))
    done = run("pseudonymize", "check", "--fields", fields_file, "--json", *shop.files)
    assert_clear_failure(done, "rows that do not fit: 1")
    assert sorted(tmp_path.rglob("*")) == before
    said = {column["column"]: column for table in json.loads(done.stdout)["tables"] for column in table["columns"]}
    assert said["sold_at"]["became"] == "day, without the time of day"
    assert "singles people out together with others" in done.stderr
    assert not found((done.stdout + done.stderr).encode(), shop.identifiers)


def test_check_counts_every_bad_row_that_a_run_would_stop_at(shop: SimpleNamespace, fields_file: Path) -> None:
    shop.customers["consent_app"] = ["perhaps", "", "maybe"]
    shop.receipts["item"][0] = None
    shop.write()
    checked = dry_run(load_fields(fields_file), shop.files, now())
    assert checked.bad_rows == {"consent_app: is neither a yes nor a no": 2, "item: is empty": 1}
    with pytest.raises(ContractError, match="rows that do not fit: 3"):
        refuse_bad(checked)


def test_check_refuses_only_where_a_run_would(
    shop: SimpleNamespace, policy_file: PolicyFile, release: Release, tmp_path: Path
) -> None:
    shop.receipts["item"][0] = None
    shop.write()
    fields = policy_file({'feeds = "purchases"\n': 'feeds = "purchases"\nbad_rows = "quarantine"\n'})
    checked = dry_run(load_fields(fields), shop.files, now())  # the other tables are strict, and have no bad rows
    assert checked.bad_rows == release(shop.files, tmp_path / "out", fields=fields).quarantine == {"item: is empty": 1}
    refuse_bad(checked)
    shop.customers["consent_app"] = ["perhaps", "", ""]
    shop.write()
    with pytest.raises(ContractError, match="rows that do not fit: 2"):
        refuse_bad(dry_run(load_fields(fields), shop.files, now()))


def test_a_draft_can_be_used(shop: SimpleNamespace, release: Release, tmp_path: Path) -> None:
    cases = {
        "customers.csv": ("email", "drop"),
        "receipts.parquet": ("sold_at", "day"),
        "redemptions.csv": ("offer_id", "to"),
    }
    for name, (column, word) in cases.items():
        draft = suggest(shop.folder / name)
        (line,) = [text for text in draft.splitlines() if text.startswith(f"{column} = ")]
        assert word in line
        assert "#" in line
        path = tmp_path / f"{name}.toml"
        path.write_text(draft)
        release([shop.folder / name], tmp_path / f"out-{name}", fields=path)
        assert found(contents(tmp_path / f"out-{name}"), [*shop.identifiers, "Canary"]) == []


@pytest.mark.slow
def test_draft_and_record_are_printed(shop: SimpleNamespace, fields_file: Path) -> None:
    assert run("pseudonymize", "suggest", shop.files[0]).stdout == suggest(shop.files[0])
    assert run("pseudonymize", "record", "--fields", fields_file).stdout == processing_record(load_fields(fields_file))


def test_a_draft_drops_what_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    odd = {"loyalty_card": ["1", "2"], "Religion": ["a", "b"], 'we "ird': ["x", "y"], "notes": ["u", "v"], "q": [1, 2]}
    pl.DataFrame(odd).write_csv(file)
    draft = suggest(file)
    for line in ('Religion = { role = "sensitive" }', 'notes = { role = "free-text"', 'q = { role = "drop" }'):
        assert line in draft
    (tmp_path / "f.toml").write_text(draft)
    assert load_fields(tmp_path / "f.toml").tables[0].columns.keys() == odd.keys()


def test_a_draft_of_odd_columns_is_valid(release: Release, tmp_path: Path) -> None:
    odd = {
        "loyalty_card": ["1", "2"],
        "Email_Consent": ["yes", "no"],
        "EMAIL OPT-IN": ["no", "no"],
        "consent": ["no", "yes"],
        "2024 agreed": ["no", "no"],
        "home_ownership": ["own", "rent"],
        "client_ip": ["::1", "::2"],
        "interests": [["wine"], []],
        "photo": [b"\xff", None],
        "kin": [{"name": "Ada Canary"}, None],
    }
    pl.DataFrame(odd).write_parquet(tmp_path / "people.parquet")
    draft = suggest(tmp_path / "people.parquet")
    for line in (
        'Email_Consent = { role = "consent", purpose = "channel:email" }',
        '"EMAIL OPT-IN" = { role = "drop" } # consent to channel:email stands in another',
        'consent = { role = "consent", purpose = "channel:name-it" }',
        '"2024 agreed" = { role = "drop" }',
        'home_ownership = { role = "drop" }',
        'client_ip = { role = "identifier"',
    ):
        assert line in draft
    (tmp_path / "f.toml").write_text(draft)
    release([tmp_path / "people.parquet"], tmp_path / "out", fields=tmp_path / "f.toml")
    assert found(contents(tmp_path / "out"), ["Canary"]) == []


def test_the_record_says_why_and_for_how_long(policy_file: PolicyFile, fields_file: Path) -> None:
    record = processing_record(load_fields(fields_file))
    for line in (
        "Kept for: 25 months",
        "| birth_date | quasi | adult, 18 or older |",
        "| email | identifier | dropped | names a person: nothing downstream needs it |",
        "| receipt | identifier | basket: token | names a person or a receipt: only the token leaves |",
    ):
        assert line in record
    assert record.count("\n## ") == record.count("\nPurpose: ") == 3
    with pytest.raises(PolicyError, match=r"tables\.receipts: has no retention"):
        processing_record(load_fields(policy_file({'retention = "25 months"\n': ""})))


ROLES = [
    (
        HOME,
        'home_store = { role = "quasi", generalise = "prefix", length = 1, to = "store" }',
        "store",
        ["3", "3", "3"],
    ),
    (
        HOME,
        'home_store = { role = "quasi", generalise = "band", bands = [10, 32], to = "region" }',
        "region",
        ["10-<32", "32+", "10-<32"],
    ),
    (HOME, 'home_store = { role = "free-text", action = "scan", to = "store" }', "store", ["31", "32", "31"]),
]


@pytest.mark.parametrize(("old", "new", "column", "expected"), ROLES)
def test_coarser_columns(  # noqa: PLR0913, PLR0917 - the parts of a case
    shop: SimpleNamespace,
    release: Release,
    policy_file: PolicyFile,
    tmp_path: Path,
    old: str,
    new: str,
    column: str,
    expected: list[str],
) -> None:
    release(shop.files, tmp_path / "out", fields=policy_file({old: new}))
    assert pl.read_parquet(tmp_path / "out" / "subjects.parquet")[column].to_list() == expected


@pytest.mark.parametrize("role", ['role = "sensitive"', 'role = "free-text", action = "drop"'])
def test_what_is_sensitive_or_free_goes_nowhere(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path, role: str
) -> None:
    shop.customers["home_store"] = ["halal canary", "kosher canary", "HIV canary"]
    shop.write()
    report = release(shop.files, tmp_path / "out", fields=policy_file({HOME: f"home_store = {{ {role} }}"}))
    assert found(contents(tmp_path / "out"), ["canary"]) == []
    assert {column.column: column.became for column in report.tables[0].columns}["home_store"] == "dropped"


def test_what_is_sensitive_may_be_judged_by_in_bands(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path
) -> None:
    role = 'home_store = { role = "sensitive", set = "demographics", to = "belief" }'
    release(shop.files, tmp_path / "out", fields=policy_file({HOME: role}))
    groups = pl.read_parquet(tmp_path / "out" / "demographics.parquet").filter(attribute="belief")["group"]
    assert groups.to_list() == ["31", "32", "31"]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("ask ada@canary.example", "an e-mail address"),
        ("ring 020 7946 0001", "a telephone or card number"),
        ("see www.canary.example/ada", "a link"),
    ],
)
def test_a_scan_refuses_traces(
    shop: SimpleNamespace, release: Release, policy_file: PolicyFile, tmp_path: Path, cell: str, what: str
) -> None:
    shop.customers["home_store"] = ["31", cell, "32"]
    shop.write()
    fields = policy_file({HOME: 'home_store = { role = "free-text", action = "scan", to = "store" }'})
    with pytest.raises(ContractError, match=f"row 2, column 'home_store' holds what looks like {what}") as caught:
        release(shop.files, tmp_path / "out", fields=fields)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (HOME, 'home_store = { role = "sensitive", to = "store" }', "feeds nothing but an evaluation set"),
        (HOME, 'home_store = { role = "quasi", generalise = "prefix", to = "store" }', "needs length"),
        (
            HOME,
            'home_store = { role = "quasi", generalise = "prefix", length = 2, step = 2, to = "store" }',
            "step belongs to",
        ),
        (HOME, 'home_store = { role = "quasi", generalise = "band", bands = [3, 2], to = "store" }', "do not rise"),
        (HOME, 'home_store = { role = "quasi", generalise = "day", set = "demographics" }', "a date is no attribute"),
        (HOME, 'home_store = { role = "free-text", action = "scan" }', "free-text cannot feed"),
        (HOME, 'home_store = { role = "free-text", action = "drop", to = "store" }', "dropped text feeds nothing"),
        (STORE, 'store = { role = "sensitive", set = "demographics" }', "stand beside people"),
        ('canonical = "text" #', 'canonical = "phone" #', "fields.loyalty_card.region: has no such region"),
    ],
)
def test_roles_that_make_no_sense(policy_file: PolicyFile, old: str, new: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        load_fields(policy_file({old: new}))
