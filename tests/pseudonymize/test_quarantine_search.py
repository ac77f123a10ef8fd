"""Raw rows of people who were forgotten do not outlive them in quarantine."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import polars as pl
import pytest
from support.commands import run
from support.search import contents, found

from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.keys import VaultError
from pseudonymize.quarantine_search import drop_older, drop_people, kept
from pseudonymize.vault import create_vault

NOW = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
MAIL = canonical_form(FormName.EMAIL)
ADA = pl.Series(["ada@canary.example"])


def put(vault: Path, name: str, rows: list[dict[str, object]]) -> Path:
    folder = vault / "quarantine" / name
    folder.mkdir(parents=True, exist_ok=True)
    head = {"row": 0, "column": "", "reason": "some", "raw mail": None, "raw item": None, "line": None}
    file = folder / "1-receipts.parquet"
    pl.DataFrame([head | row for row in rows], schema_overrides=dict.fromkeys(head, pl.String)).write_parquet(file)
    file.chmod(0o600)
    return file


def test_a_person_is_found_however_the_row_writes_them(tmp_path: Path) -> None:
    others: list[dict[str, object]] = [
        {"raw mail": "bert@canary.example"},
        {"raw mail": "ada"},
        {"line": "bert@canary.example,2"},
    ]
    theirs: list[dict[str, object]] = [
        {"raw mail": " ADA@Canary.example "},
        {"raw mail": "nobody", "raw item": "ada@canary.example"},
        {"line": 'x,"ada@canary.example",2'},
        {"line": f"ada@canary.example,{'x' * 200_000}"},
    ]
    file = put(tmp_path, "2018-01-01-0123abcd", [*others, *theirs])
    searched = drop_people(tmp_path, MAIL, ADA)
    assert (searched.dropped, searched.left) == (4, 3)
    left = pl.read_parquet(file)
    assert left.select("raw mail", "line").rows() == [(row.get("raw mail"), row.get("line")) for row in others]
    assert file.stat().st_mode & 0o777 == 0o600
    assert not found(contents(tmp_path), ["ada@canary.example"])


def test_nothing_is_left_of_a_file_of_theirs_alone(tmp_path: Path) -> None:
    put(tmp_path, "2018-01-01-0123abcd", [{"raw mail": ADA[0]}])
    assert drop_people(tmp_path, MAIL, ADA).left == 0
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert drop_people(tmp_path / "quarantine", MAIL, ADA).dropped == 0  # there never was any


def test_what_has_waited_too_long_goes_also_what_was_cut_short(tmp_path: Path) -> None:
    for name in ("2018-01-01-0123abcd", "2018-01-20-0123abcd", ".2018-01-01-0123abcd.x"):
        put(tmp_path, name, [{"raw mail": ADA[0]}])
    long_ago = NOW.timestamp()
    os.utime(tmp_path / "quarantine" / ".2018-01-01-0123abcd.x", (long_ago, long_ago))
    assert [(one.day.day, one.rows, one.finished) for one in kept(tmp_path)] == [
        (1, 0, False),
        (1, 1, True),
        (20, 1, True),
    ]
    assert len(drop_older(tmp_path, dt.date(2018, 1, 2))) == 2
    assert [one.folder for one in kept(tmp_path)] == ["2018-01-20-0123abcd"]


def test_a_damaged_file_stops_it(tmp_path: Path) -> None:
    put(tmp_path, "2018-01-01-0123abcd", [{"raw mail": ADA[0]}]).write_bytes(b"PAR1")
    with pytest.raises(VaultError, match="is damaged"):
        drop_people(tmp_path, MAIL, ADA)


@pytest.mark.slow
def test_the_commands(fields_file: Path, tmp_path: Path) -> None:
    vault, card = tmp_path / "vault", "9840000000000017"
    create_vault(vault, kek_file=None, environ={}, now=NOW)
    put(vault, "2018-01-01-0123abcd", [{"raw mail": card}, {"raw mail": "9840 x"}])
    words = ["--vault", vault, "--fields", fields_file, "--field", "loyalty_card", "--out", tmp_path / "orders"]
    done = run("pseudonymize", "forget", *words, stdin=f"{card}\n")
    assert done.returncode == 0, done.stderr
    assert "1 rows of theirs were in quarantine" in done.stderr
    assert "1 rows are left in quarantine" in done.stderr
    assert card not in done.stderr + done.stdout
    shown = run("pseudonymize", "quarantine", "--vault", vault, "--json")
    assert json.loads(shown.stdout) == [
        {"folder": "2018-01-01-0123abcd", "day": "2018-01-01", "rows": 1, "finished": True}
    ]
    gone = run("pseudonymize", "quarantine", "--vault", vault, "--drop-older-than", 30, "--json")
    assert (gone.stdout, "1 rows of 1 runs" in gone.stderr) == ("[]\n", True)
    assert not found(contents(vault), ["9840 x"])
