from __future__ import annotations

import codecs
import io
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from support.commands import assert_clear_failure, run

from pseudonymize.standard_input import tokens_of
from pseudonymize.tokeniser import Tokeniser
from recsys.contracts.token import TOKEN_PATTERN
from recsys.errors import ContractError

GUARDS = """
version = 1
never = ["private"]
[groups.private]
categories = ["TESTS", "LIQOUR"]
"""


def token(vault: Path, fields: Path, stdin: str, *more: object) -> subprocess.CompletedProcess[str]:
    return run(
        "pseudonymize", "token", "--vault", vault, "--fields", fields, "--field", "loyalty_card", *more, stdin=stdin
    )


@pytest.fixture
def guards(tmp_path: Path) -> list[object]:
    (tmp_path / "g.toml").write_text(GUARDS)
    catalogue = {
        "item": ["milk", "test kit", "deposit", "bread"],
        "category": ["FOOD / MILK", "DRUG / TESTS", None, "FOOD / LIQUOR"],
        "title": list("abcd"),
    }
    pl.DataFrame(catalogue).write_csv(tmp_path / "c.csv")
    return ["--guards", tmp_path / "g.toml", "--catalogue", tmp_path / "c.csv"]


@pytest.mark.slow
def test_from_a_card_to_the_rows_of_its_holder(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, guards: list[object], tmp_path: Path
) -> None:
    options = ["--fields", fields_file, "--vault", vault_folder, "--out", tmp_path / "out", "--json"]
    done = run("pseudonymize", "run", *options, *guards, *shop.files)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["release"]["dropped"] == {"never offered": 1, "quantity zero": 1}
    assert "dropped: never offered" in done.stderr
    assert "no category 'LIQOUR' in the catalogue; the nearest is 'LIQUOR'" in done.stderr
    made = token(vault_folder, fields_file, "9840000000000017\n LC-NÜNNING\n")
    first, second = made.stdout.splitlines()
    people = pl.read_parquet(tmp_path / "out" / "subjects.parquet")["subject"]
    assert (people[0], people[2]) == (first, second)
    assert people.str.contains(TOKEN_PATTERN).all()
    elsewhere = token(vault_folder, fields_file, "9840000000000017\n", "--domain", "magazine")
    assert "'magazine' is new" in elsewhere.stderr  # no other test of this vault has it
    assert "is new" not in token(vault_folder, fields_file, "17\n", "--domain", "magazine").stderr
    other = elsewhere.stdout.strip()
    assert other.startswith("s1.magazine.01.")
    assert other[-26:] != first[-26:]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"", "standard input: is empty"),
        (b"canary\n\n", "standard input: line 2 is empty"),
        (b"canary\n" + b"canary" * 200 + b"\n", "standard input: line 2 is longer than 1024 bytes"),
        (b"canary\r\n\xffcanary\n", "standard input: line 2 is not UTF-8"),
        (b"canary\ncanary\0\n", "standard input: line 2 holds a NUL byte"),
        (b"\xef\xbb\xbf\n", "standard input: line 1 is empty"),
    ],
    ids=["nothing", "empty line", "long line", "other encoding", "a NUL byte", "a mark alone"],
)
def test_bad_lines_are_not_repeated(tokeniser: Tokeniser, lines: bytes, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        tokens_of(io.BytesIO(lines), "loyalty_card", tokeniser)
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_mark_of_byte_order_makes_nobody_else_of_the_first_line(tokeniser: Tokeniser) -> None:
    marked, plain = (
        tokens_of(io.BytesIO(mark + b"card\n"), "loyalty_card", tokeniser) for mark in (codecs.BOM_UTF8, b"")
    )
    assert marked == plain


@pytest.mark.slow
def test_a_bad_line_fails_the_command_and_prints_no_token(vault_folder: Path, fields_file: Path) -> None:
    done = token(vault_folder, fields_file, "canary\n\n")
    assert_clear_failure(done, "standard input: line 2 is empty")
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--guards", "g.toml"], "--guards: speaks of a catalogue"),
        (["--domain", "Ada@canary.example"], "--domain: is not a domain's name"),
    ],
    ids=["guards alone", "domain"],
)
def test_options_that_make_no_sense(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    words = ["--fields", fields_file, "--vault", vault_folder, "--out", tmp_path / "out", *options, *shop.files]
    done = run("pseudonymize", "run", *words)
    assert_clear_failure(done, message, status=2)
    assert "canary" not in done.stderr
    assert not (tmp_path / "out").exists()
