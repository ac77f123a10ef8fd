"""A planted fault in the arithmetic must stop every command that makes tokens, before it makes one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.commands import assert_clear_failure, no_leftovers

pytestmark = pytest.mark.slow  # processes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """The product with a wrong polynomial: tokens that look right, and that no other installation would make."""
    tree = tmp_path / "faulty"
    for package in ("recsys", "web", "pseudonymize"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tree / "pseudonymize" / "cmac.py"
    text = file.read_text()
    assert text.count("0x87") == 1
    file.write_text(text.replace("0x87", "0x86"))
    return tree


@pytest.mark.parametrize("command", ["run", "token"])
def test_a_wrong_cipher_makes_no_token(
    shop: SimpleNamespace, faulty: Path, vault_folder: Path, fields_file: Path, tmp_path: Path, command: str
) -> None:
    words = [sys.executable, "-m", "pseudonymize", command, "--vault", vault_folder, "--fields", fields_file]
    words += ["--out", tmp_path / "out", *shop.files] if command == "run" else ["--field", "loyalty_card"]
    done = subprocess.run(  # noqa: S603 - our own command, with a fault
        list(map(str, words)), input="17\n", capture_output=True, text=True, check=False, cwd=faulty, timeout=60
    )
    assert_clear_failure(done, "self-test", "fails the test vectors")
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()
    assert no_leftovers(tmp_path)
