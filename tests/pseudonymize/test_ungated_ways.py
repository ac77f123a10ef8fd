"""Ways to a partner past the gate: each still goes, is told loudly, and stands in the key log."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers, run
from support.releases import released
from support.tokens import token

from pseudonymize.commands.bypass import logged, passed_as_external
from pseudonymize.gate.finished import finished_in
from pseudonymize.gate.papers import digest, papers_of
from pseudonymize.gate.release import seal
from pseudonymize.gate.settings import GateSettings, ReleaseClass
from pseudonymize.gate.verdict import Verdict
from pseudonymize.vault import Vault
from pseudonymize.vault_record import RecipientRecord

LOUD = "NO GATE FOR PARTNERS"


def last_action(vault: Path) -> str:
    return str(json.loads((vault / "keylog.jsonl").read_text().splitlines()[-1])["action"])


@pytest.mark.slow
def test_a_run_for_another_domain_says_that_it_was_not_judged_as_a_partners(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path
) -> None:
    words = ["run", "--fields", fields_file, "--vault", vault_folder, *shop.files, "--out"]
    own = run("pseudonymize", *words, tmp_path / "own")
    assert (own.returncode, LOUD in own.stderr, last_action(vault_folder)) == (0, False, "run")
    silent = run("pseudonymize", *words, tmp_path / "theirs", "--domain", "agency")
    assert (silent.returncode, LOUD in silent.stderr, last_action(vault_folder)) == (0, True, "run, ungated")
    asked = run("pseudonymize", *words, tmp_path / "asked", "--domain", "agency", "--release", "internal")
    assert (asked.returncode, LOUD in asked.stderr, last_action(vault_folder)) == (0, False, "run, ungated")
    moved = ["redomain", "--vault", vault_folder, "--from", "rec", "--to", "agency", "--out", tmp_path / "ads.parquet"]
    done = run("pseudonymize", *moved, tmp_path / "own" / "purchases.parquet")
    assert (done.returncode, LOUD in done.stderr, last_action(vault_folder)) == (0, True, "redomain, ungated")
    assert (tmp_path / "ads.parquet").is_file()
    token_of = [
        "token",
        "--vault",
        vault_folder,
        "--fields",
        fields_file,
        "--field",
        "loyalty_card",
        "--domain",
        "agency",
    ]
    done = run("pseudonymize", *token_of, stdin="1\n")
    assert (done.returncode, LOUD in done.stderr, last_action(vault_folder)) == (0, True, "token, ungated")


@pytest.mark.slow
def test_a_run_that_is_refused_says_why_to_a_program_too(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path
) -> None:
    words = ["run", "--fields", fields_file, "--vault", vault_folder, *shop.files, "--out", tmp_path / "out"]
    refused = run("pseudonymize", *words, "--domain", "agency", "--release", "external", "--json")
    assert_clear_failure(refused, "the gate refuses this external release", "Nothing was written")
    figures = {figure["measure"] for figure in json.loads(refused.stdout)["gate"]["figures"]}
    assert figures == {"unicity of released points", "history linkage"}
    own = run("pseudonymize", *words, "--release", "external")
    assert_clear_failure(own, "the retailer's own", status=2)
    assert no_leftovers(tmp_path)


def test_what_passed_as_external_goes_on_without_a_word(
    vault: Vault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"subject": [token(1, domain="ads")], "item": ["milk"], "day": ["2024-01-01"], "quantity": [1.0]}
    frame = pl.DataFrame(rows).with_columns(pl.col("day").str.to_date())
    folder = released(tmp_path / "release", {"purchases": frame}, domain="ads")
    file, papers = folder / "purchases.parquet", papers_of(folder, ReleaseClass.EXTERNAL)
    assert not passed_as_external(file)
    bare = finished_in(folder).release
    for faults, whom in (
        ((), ReleaseClass.EXTERNAL),
        (("a fault",), ReleaseClass.EXTERNAL),
        ((), ReleaseClass.INTERNAL),
    ):
        verdict = Verdict(release=whom, settings=GateSettings(), subjects=1, rows=1, figures=(), faults=faults)
        papers.write(verdict, "")
        seal(folder, msgspec.structs.replace(bare, gate=digest(verdict)))
        assert passed_as_external(file) == (verdict.passed and whom is ReleaseClass.EXTERNAL)
    assert logged("redomain", "agency", vault, gated=True) == "redomain"
    assert LOUD not in capsys.readouterr().err
    assert logged("redomain", "agency", vault, gated=False) == "redomain, ungated"
    assert LOUD in capsys.readouterr().err.replace("\n", " ")


def test_the_retailers_own_domains_are_those_of_its_stages(vault: Vault) -> None:
    assert vault.record.own_domains == {"rec"}
    moved = (RecipientRecord(name="training", domain="shop"), RecipientRecord(name="agency", domain="ads"))
    record = msgspec.structs.replace(vault.record, recipients=moved)
    assert record.own_domains == {"rec", "shop"}
