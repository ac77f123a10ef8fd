"""The notebook for data scientists runs as it stands, from top to bottom, and is as short as it promises."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.bundle import load_bundle
from training.signing import create_signing_key

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LINES = 20  # at most, imports apart


@pytest.fixture(scope="module")
def cells() -> list[str]:
    notebook = json.loads((ROOT / "examples" / "model.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_takes_a_few_lines(cells: list[str]) -> None:
    statements = [statement for cell in cells for statement in ast.parse(cell).body]
    work = [statement for statement in statements if not isinstance(statement, (ast.Import, ast.ImportFrom))]
    assert 0 < sum((statement.end_lineno or 0) - statement.lineno + 1 for statement in work) < LINES


def test_it_runs(cells: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, ROOT / "examples" / "bundle" / "release.py", "--out", tmp_path / "release"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S603 - our own command
    create_signing_key(tmp_path / "signing.key")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "model.ipynb", "exec"), names)  # noqa: S102 - our own notebook
    bundle = load_bundle(Path("models/corner-shop"), trust=tmp_path / "signing.key.pub")  # as the last cell says
    assert bundle.path.resolve() == names["folder"].resolve()
    assert bundle.model_version.startswith("corner-shop/")
    assert names["scores"].shape == (len(names["given"]), len(bundle.vocabulary))
    affinity = names["scorer"].affinities(names["given"], names["best"][:1])[0, 0]
    assert names["added"].sum() == pytest.approx(affinity, abs=1e-4)
    assert np.all(np.diff(names["scores"][0][names["best"]]) <= 0)
