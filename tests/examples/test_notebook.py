"""The notebook for data scientists runs as it stands, from top to bottom, and is as short as it promises."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys.bundle import load_bundle
from recsys.contracts.subjects import SUBJECTS
from training.signing import create_signing_key

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LINES = 15  # at most, imports apart


@pytest.fixture(scope="module")
def cells() -> list[str]:
    notebook = json.loads((ROOT / "examples" / "model.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_takes_a_few_lines(cells: list[str]) -> None:
    statements = [statement for cell in cells for statement in ast.parse(cell).body]
    work = [statement for statement in statements if not isinstance(statement, (ast.Import, ast.ImportFrom))]
    assert 0 < sum((statement.end_lineno or 0) - statement.lineno + 1 for statement in work) < LINES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a release lies, as the notebook makes it."""
    command = [sys.executable, ROOT / "examples" / "bundle" / "release.py", "--out", tmp_path / "release"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S603 - our own command
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_runs(cells: list[str], folder: Path) -> None:
    create_signing_key(folder / "signing.key")
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "model.ipynb", "exec"), names)  # noqa: S102 - our own notebook
    bundle = load_bundle(Path("models/corner-shop"), trust=folder / "signing.key.pub")  # as the last cell says
    assert bundle.path.resolve() == names["folder"].resolve()
    assert bundle.model_version.startswith("corner-shop/")
    model, best = names["model"], names["best"]
    scores = model.predict(names["dataset"])[0, bundle.vocabulary.encode(best["item"][:3])]
    assert best["score"][:3].to_list() == pytest.approx(scores.tolist())
    assert best["score"][:3].is_sorted(descending=True)
    affinity = model.scorer_.affinities(names["given"], bundle.vocabulary.encode(best["item"][:1]).astype(np.int64))
    assert names["added"].sum() == pytest.approx(affinity[0, 0], abs=1e-4)


def test_the_lines_in_the_documentation_run_and_learn_only_from_those_who_agreed(folder: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "model.md").read_text(encoding="utf-8"), re.DOTALL)
    path = folder / "release" / "subjects.parquet"
    subjects = pl.read_parquet(path)
    refused = subjects.with_columns(
        consents=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit(["profiling"])).otherwise("consents")
    )
    SUBJECTS.write(refused, path)
    quick = block.replace('BundleEstimator("mine", ', 'BundleEstimator("mine", profile="test", ')
    assert quick != block
    names: dict[str, Any] = {}
    exec(compile(quick, "model.md", "exec"), names)  # noqa: S102 - our own documentation
    model = names["model"]
    assert model.bundle_.manifest.data.subjects == len(subjects) - 20
    assert names["scores"].shape == (len(subjects) - 20, len(model.bundle_.vocabulary))
    assert np.isfinite(names["reasons"]).all()
