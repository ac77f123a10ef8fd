"""The long proof in short: it reaches its count, goes on where it stopped, and says what it found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.chain import ROOT, Chain


def prove(chain: Chain, work: Path, verdicts: int) -> str:
    options = ("--work", work, "--out", work / "proof.md", "--data", chain.folder, "--households", 3)
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, ROOT / "tests/prove/prove_guards.py", *map(str, options), "--verdicts", str(verdicts)],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )
    return (work / "proof.md").read_text()


@pytest.mark.slow
def test_a_proof_goes_on_where_it_stopped(chain: Chain, tmp_path: Path) -> None:
    first = prove(chain, tmp_path, 1_000)
    (log,) = tmp_path.glob("verdicts-*.jsonl")
    begun = log.read_bytes()
    log.write_bytes(begun + b'{"seed": 1')  # cut off while it was written
    second = prove(chain, tmp_path, 20_000)
    assert log.read_bytes().startswith(begun)
    assert log.read_bytes().count(b"\n") > begun.count(b"\n")
    for page in (first, second):
        assert "| differences | 0 |" in page
        assert "| of which the oracle withholds | 0 |" in page
