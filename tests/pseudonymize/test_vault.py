from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from support.commands import assert_clear_failure, no_leftovers, run

from pseudonymize.keys import Label, Purpose, VaultError
from pseudonymize.vault import Vault, create_vault, open_vault
from recsys.errors import OutputError, RecsysError, UsageError

LABEL = Label(purpose=Purpose.ROOT_TOKEN, field="card", epoch="01")
NOW = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
PASSPHRASE = {"RECSYS_KEK_PASSPHRASE": "correct horse battery"}


def fingerprint(vault: Vault) -> bytes:
    return vault.take("test", LABEL)[0].encrypt_blocks(np.zeros((1, 2), np.uint64)).tobytes()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_vault_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    create_vault(tmp_path / "a" / "v", kek_file=None, environ={}, now=NOW)
    assert mode(tmp_path / "a" / "v") == 0o700
    files = list((tmp_path / "a" / "v").iterdir())
    assert sorted(file.name for file in files) == ["kek", "keylog.jsonl", "keylog.seal", "vault.json"]
    assert {mode(file) for file in files} == {0o600}
    assert no_leftovers(tmp_path)


def test_the_same_vault_gives_the_same_keys_and_another_gives_others(tmp_path: Path) -> None:
    for name in ("v", "w"):
        create_vault(tmp_path / name, kek_file=None, environ={}, now=NOW)
    first, again, other = (
        fingerprint(open_vault(tmp_path / name, kek_file=None, environ={}, now=NOW)) for name in ("v", "v", "w")
    )
    assert first == again != other


def test_a_key_file_elsewhere(tmp_path: Path) -> None:
    create_vault(tmp_path / "v", kek_file=tmp_path / "usb" / "kek", environ={}, now=NOW)
    assert mode(tmp_path / "usb" / "kek") == 0o600
    assert not (tmp_path / "v" / "kek").exists()
    open_vault(tmp_path / "v", kek_file=tmp_path / "usb" / "kek", environ={}, now=NOW)
    with pytest.raises(VaultError, match=r"kek.*--kek-file"):
        open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "kek").write_text("precious")
    with pytest.raises(VaultError, match="exists already"):
        create_vault(tmp_path / "v", kek_file=tmp_path / "kek", environ={}, now=NOW)
    assert (tmp_path / "kek").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kek"]


@pytest.mark.slow
def test_a_passphrase(tmp_path: Path) -> None:
    create_vault(tmp_path / "v", kek_file=None, environ=PASSPHRASE, now=NOW)
    assert not (tmp_path / "v" / "kek").exists()
    open_vault(tmp_path / "v", kek_file=None, environ=PASSPHRASE, now=NOW)
    with pytest.raises(VaultError, match="key-encryption key is not its own"):
        open_vault(tmp_path / "v", kek_file=None, environ={"RECSYS_KEK_PASSPHRASE": "wrong horse battery"}, now=NOW)
    with pytest.raises(UsageError, match="is not set"):
        open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)


def test_a_short_passphrase_or_two_sources_make_no_vault(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fewer than 12"):
        create_vault(tmp_path / "v", kek_file=None, environ={"RECSYS_KEK_PASSPHRASE": "canary"}, now=NOW)
    with pytest.raises(UsageError, match="--kek-file"):
        create_vault(tmp_path / "v", kek_file=tmp_path / "k", environ=PASSPHRASE, now=NOW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "vault.json", "kek"])
def test_a_vault_that_others_could_read_is_refused(tmp_path: Path, name: str) -> None:
    create_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    place = tmp_path / "v" / name
    place.chmod(mode(place) | 0o040)
    with pytest.raises(VaultError, match=r"has mode 0[67]40: others can"):
        open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("vault.json", "{}", "missing required field `custody`"),
        ("vault.json", "{", "truncated"),
        ("vault.json", '{"custody": {"kind": "file"}, "master": "00", "roots": []}', r"\$\.roots"),
        ("vault.json", '{"contract": "vault/2", "custody": {"kind": "file"}, "root": "00"}', r"\$\.contract"),
        ("vault.json", '{"custody": {"kind": "file"}, "master": "0"}', r"\$\.master"),
        ("kek", "canary", "is not a key-encryption key"),
        ("kek", "00" * 31, "is not a key-encryption key"),
        ("kek", "00" * 32, "key-encryption key is not its own"),
    ],
)
def test_a_damaged_vault_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    create_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    (tmp_path / "v" / name).write_text(text)
    with pytest.raises(VaultError, match=message) as caught:
        open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    assert "canary" not in str(caught.value)


def test_what_is_missing_or_no_vault_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "empty").mkdir(mode=0o700)
    for name in ("absent", "file", "empty"):
        with pytest.raises(RecsysError, match=name):
            open_vault(tmp_path / name, kek_file=None, environ={}, now=NOW)


def test_a_vault_is_never_made_over_anything(tmp_path: Path) -> None:
    create_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    before = fingerprint(open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW))
    (tmp_path / "file").write_text("precious")
    for name in ("v", "file"):
        with pytest.raises(VaultError, match="exists already"):
            create_vault(tmp_path / name, kek_file=None, environ={}, now=NOW)
    assert fingerprint(open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)) == before
    with pytest.raises(OutputError):
        create_vault(tmp_path / "file" / "v", kek_file=None, environ={}, now=NOW)


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    done = run("pseudonymize", "keys", "init", "--vault", tmp_path / "v")
    assert (done.returncode, done.stdout) == (0, "")
    assert "copy of it offline" in done.stderr
    again = run("pseudonymize", "keys", "init", "--vault", tmp_path / "v")
    assert_clear_failure(again, "exists already")
