from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import assert_clear_failure, run

from pseudonymize.keys import Label, Purpose, VaultError
from pseudonymize.vault import Vault, create_vault, open_vault
from pseudonymize.vault_lock import locked

NOW = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
LABEL = Label(purpose=Purpose.ROOT_TOKEN, field="card", epoch="01", canonical="text/1")
TAKE = """
import datetime as dt, pathlib, sys
from pseudonymize.keys import Label, Purpose
from pseudonymize.vault import open_vault
vault = open_vault(pathlib.Path(sys.argv[1]), kek_file=None, environ={}, now=dt.datetime.now(dt.UTC))
for number in range(20):
    vault.take("race", Label(purpose=Purpose.ROOT_TOKEN, field=f"f{number}", epoch="01"))
    vault.current(f"d{number}")
"""


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    create_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    vault = open_vault(tmp_path / "v", kek_file=None, environ={}, now=NOW)
    for action in ("run", "token", "run"):
        vault.take(action, LABEL)
    return vault


def lines(vault: Vault) -> list[bytes]:
    return (vault.path / "keylog.jsonl").read_bytes().splitlines(keepends=True)


def test_every_use_is_logged_with_what_the_key_was_for(vault: Vault) -> None:
    said = [json.loads(line) for line in lines(vault)]
    assert [entry["action"] for entry in said] == ["init", "run", "token", "run"]
    assert said[1]["purpose"] == "root token"
    assert (said[1]["field"], said[1]["epoch"], said[1]["canonical"]) == ("card", "01", "text/1")
    assert vault.verify().entries == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda found: [found[0], found[1].replace(b"run", b"ran"), *found[2:]],
        lambda found: [found[0], *found[2:]],
        lambda found: [found[1], found[0], *found[2:]],
        lambda found: found[:-1],
        lambda _: [],
        lambda found: [*found[:-1], b"\xff\n"],
    ],
    ids=["changed", "removed", "reordered", "cut at the end", "emptied", "garbled"],
)
def test_tampering_is_noticed(vault: Vault, change: object) -> None:
    (vault.path / "keylog.jsonl").write_bytes(b"".join(change(lines(vault))))
    with pytest.raises(VaultError, match="tampered with"):
        vault.verify()


@pytest.mark.slow
def test_the_command_fails_where_somebody_tampered(vault: Vault) -> None:
    (vault.path / "keylog.jsonl").write_bytes(b"".join(lines(vault)[:-1]))
    done = run("pseudonymize", "keys", "verify", "--vault", vault.path)
    assert_clear_failure(done, "tampered with")


def test_a_chain_computed_anew_lacks_the_seal(vault: Vault) -> None:
    seal = vault.path / "keylog.seal"
    seal.write_text(seal.read_text().replace('"entries": 4', '"entries": 3'))
    with pytest.raises(VaultError, match="not made with the vault's key"):
        vault.take("run", LABEL)


def test_bytes_of_a_run_that_was_cut_short_are_written_over(vault: Vault) -> None:
    with (vault.path / "keylog.jsonl").open("ab") as file:
        file.write(b'{"action": "ru')
    assert vault.verify().entries == 4
    vault.take("run", LABEL)
    assert vault.verify().entries == 5
    assert len(lines(vault)) == 5


@pytest.mark.slow
def test_two_processes_on_one_vault_lose_nothing(vault: Vault) -> None:
    started = [subprocess.Popen([sys.executable, "-c", TAKE, str(vault.path)]) for _ in range(2)]  # noqa: S603 - our own code
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    said = [json.loads(line)["action"] for line in lines(vault)]
    assert said.count("race") == 40
    assert vault.verify().entries == len(said)
    again = open_vault(vault.path, kek_file=None, environ={}, now=NOW)
    assert len(again.record.epochs) == 21


def test_who_waits_too_long_is_told(vault: Vault) -> None:
    with (
        locked(vault.path),
        pytest.raises(VaultError, match="another process holds its lock"),
        locked(vault.path, patience=0.05),
    ):
        pass
