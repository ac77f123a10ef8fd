"""What must never be seen: searched for in every byte, with a control that must be found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from support.commands import assert_clear_failure, no_leftovers, run
from support.search import contents, found, plant

pytestmark = pytest.mark.slow  # processes

NO_STORE = 1 << 15  # bytes
LIMITED = f"""
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({NO_STORE}, {NO_STORE}))
runpy.run_module("pseudonymize", run_name="__main__")
"""


def gate(shop: SimpleNamespace, vault: Path, fields: Path, out: Path) -> list[object]:
    return ["run", "--fields", fields, "--vault", vault, "--out", out, *shop.files]


def test_no_identifier_and_no_key_in_what_is_written_or_said(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path
) -> None:
    done = run("pseudonymize", *gate(shop, vault_folder, fields_file, tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    secrets = [*shop.identifiers, "Canary", *key_texts(vault_folder)]
    spoken = (done.stdout + done.stderr).encode()
    assert found(contents(tmp_path / "out") + spoken, secrets) == []
    plant(tmp_path / "out", shop.identifiers[0])
    assert found(contents(tmp_path / "out"), secrets) == [shop.identifiers[0]]


def test_no_identifier_in_what_a_failure_says_or_leaves(
    shop: SimpleNamespace, vault_folder: Path, fields_file: Path, tmp_path: Path
) -> None:
    shop.customers["birth_date"][2] = "Cleo Canary"
    shop.write()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = run("pseudonymize", *gate(shop, vault_folder, fields_file, tmp_path / "out"), TMPDIR=str(temporary))
    assert_clear_failure(done, "customers.csv: row 3, column 'birth_date' is not a time")
    assert found((done.stdout + done.stderr).encode(), [*shop.identifiers, "Canary"]) == []
    assert not (tmp_path / "out").exists()
    assert no_leftovers(tmp_path)
    assert not list(temporary.iterdir())


def test_an_identifier_given_as_an_argument_is_not_repeated(vault_folder: Path, fields_file: Path) -> None:
    words = ["token", "--vault", vault_folder, "--fields", fields_file, "--field", "loyalty_card", "ada@canary.example"]
    done = run("pseudonymize", *words)
    assert_clear_failure(done, status=2)
    assert "canary" not in done.stderr + done.stdout


def test_a_full_disk_leaves_nothing(shop: SimpleNamespace, fields_file: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    assert run("pseudonymize", "keys", "init", "--vault", vault).returncode == 0
    shop.receipts = {name: cells * 40 for name, cells in shop.receipts.items()}
    shop.receipts["item"] = [os.urandom(500).hex() for _ in range(160)]  # cannot be compressed
    shop.write()
    words = [sys.executable, "-c", LIMITED, *gate(shop, vault, fields_file, tmp_path / "out")]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own command
    assert_clear_failure(done, "cannot be written (File too large)")
    assert not (tmp_path / "out").exists()
    assert no_leftovers(tmp_path)


def test_no_identifier_and_no_key_in_what_the_custodians_commands_write_or_say(
    shop: SimpleNamespace, fields_file: Path, tmp_path: Path
) -> None:
    """From the first epoch to another domain; in the vault too, but for the key-encryption key's own file."""
    vault, out, spoken = tmp_path / "vault", tmp_path / "out", b""
    out.mkdir()
    old, new, partner = out / "old" / "purchases.parquet", out / "new" / "purchases.parquet", out / "ads.parquet"
    people = ["--fields", fields_file, "--field", "loyalty_card"]
    for name, *words in (
        ("keys", "init"),
        ("run", "--fields", fields_file, "--out", out / "old", *shop.files),
        ("token", *people),
        ("keys", "rotate"),
        ("epoch", "--domain", "rec", "--out", out / "map.parquet", old, out / "old" / "subjects.parquet"),
        ("keys", "rotate", "--root"),
        ("forget", *people, "--out", out / "orders"),
        ("run", "--fields", fields_file, "--out", out / "new", *shop.files),
        ("redomain", "--from", "rec", "--to", "ads", "--out", partner, new),
        ("lift", *people),
        ("keys", "retire", "--domain", "rec", "--epoch", "01", "--receipt", shop.files[0]),
        ("keys", "destroy"),
        ("keys", "list", "--json"),
        ("keys", "verify"),
    ):
        done = run("pseudonymize", name, *words, "--vault", vault, stdin="9840000000000017\n")
        assert (done.returncode == 0) == (words[0] not in {"retire", "destroy"}), done.stderr
        assert "Traceback" not in done.stderr
        spoken += (done.stdout + done.stderr).encode()
    searched = contents(out) + spoken
    secrets = [*shop.identifiers, "Canary", *key_texts(vault)]
    assert found(searched, [*secrets, *wrapped_texts(vault)]) == []
    kek = (vault / "kek").read_bytes()
    (vault / "kek").unlink()
    assert found(contents(vault), secrets) == []
    (out / "core").write_bytes(b"memory of a process: " + bytes.fromhex(kek.decode()))
    assert found(contents(out), key_texts_of(kek.decode())) == [kek.decode().strip()]


def key_texts(vault: Path) -> list[str | bytes]:
    """The key-encryption key as it is written and as it is, and every secret that it wraps."""
    kek = (vault / "kek").read_text().strip()
    secrets = [aes_key_unwrap_with_padding(bytes.fromhex(kek), bytes.fromhex(text)) for text in wrapped_texts(vault)]
    return [*key_texts_of(kek), *secrets, *(secret.hex() for secret in secrets)]


def key_texts_of(kek: str) -> list[str | bytes]:
    return [kek.strip(), bytes.fromhex(kek)]


def wrapped_texts(vault: Path) -> list[str]:
    record = json.loads((vault / "vault.json").read_text())
    return [record["master"], *(kept["wrapped"] for kept in (*record["roots"], *record["epochs"]))]
