"""The tutorial runs as it stands, and the example bundle is what it says it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from support.chain import ROOT
from support.search import contents

from recsys.bundle import load_bundle
from recsys.evaluation.results import RankingResult
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer
from training.registry.journal import Action, moves

MODELS = ROOT / "models"
NAME = "corner-shop"
MODULES = {"recsys-train": "training", "recsys-evaluate": "recsys"}


def script() -> str:
    """Every command of the tutorial, in order."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    assert all(line.startswith("$ ") for line in lines)
    return "\n".join(line[2:] for line in lines)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial was worked through."""
    folder: Path = tmp_path_factory.mktemp("tutorial")
    named = "".join(f'{name}() {{ "{sys.executable}" -m {module} "$@"; }}\n' for name, module in MODULES.items())
    named += f'python() {{ "{sys.executable}" "$@"; }}\n'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EXAMPLES": str(ROOT / "examples"), "NO_COLOR": "1"}
    ran = subprocess.run(  # noqa: S603 - the tutorial's own commands
        ["bash", "-euo", "pipefail", "-c", named + script()],  # noqa: S607 - bash, from the path
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.slow
def test_the_tutorial_ends_with_a_bundle_that_was_promoted_and_taken_back(done: Path) -> None:
    made = moves(done / "models" / NAME)
    assert [move.action for move in made] == [Action.PROMOTE, Action.ROLLBACK]
    assert not made[0].forced
    assert load_bundle(done / "models" / NAME, trust=done / "S.pub").manifest.version == made[0].before


@pytest.mark.slow
def test_what_the_tutorial_points_to_is_there(done: Path) -> None:
    judged = msgspec.json.decode((done / "judged" / "ranking.json").read_bytes(), type=RankingResult)
    assert len(judged.windows) == 2
    assert {model.name for model in judged.run.models} >= {"gp-pop", "item-knn", "ease", "als", "recipe"}
    for page in ("judged/ranking.html", "drift/drift.html", "card/card.html", "card/card.md"):
        assert (done / page).stat().st_size > 1_000
    assert "## Lineage" in (done / "card" / "card.md").read_text()
    assert json.loads((done / "drift" / "drift.json").read_text())["verdict"] in {"stable", "shifted", "changed"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example bundle was learned from."""
    folder: Path = tmp_path_factory.mktemp("shop")
    command = [sys.executable, ROOT / "examples" / "bundle" / "release.py", "--out", folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(list(map(str, command)), check=True, env=environment)  # noqa: S603 - the example's script
    return folder


@pytest.mark.slow
def test_the_example_bundle_loads_ranks_and_holds_nobody(shop: Path) -> None:
    bundle = load_bundle(MODELS / NAME, trust=MODELS / f"{NAME}.pub")
    lines = pl.read_parquet(shop / "purchases.parquet")
    assert sorted(bundle.vocabulary.names) == lines["item"].unique().sort().to_list()
    scorer = Scorer(bundle)
    some = histories(lines, ItemIndex.of(bundle.vocabulary.names), subjects=lines["subject"].unique().sort().head(50))
    same = np.arange(len(bundle.vocabulary), dtype=np.int32)
    as_of = day_number(bundle.manifest.data.until)
    scores = scorer.score(scorer.fold(some, same, as_of=as_of), np.arange(len(same)))
    bought = np.zeros(scores.shape, np.bool_)
    bought[some.rows_of, some.item] = True
    assert scores[bought].mean() > 2 * scores[~bought].mean()  # it ranks what they know above the rest
    everything = contents(MODELS / NAME)
    for subject in lines["subject"].unique():
        assert subject.rsplit(".", 1)[1].encode() not in everything


def test_models_hold_data_only() -> None:
    files = [path for path in MODELS.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".md", ".pub", ".onnx", ".parquet", ".json", ".sig", ""}
    assert sum(path.stat().st_size for path in files) < 500_000
    assert "PRIVATE" not in "".join(path.read_text() for path in files if path.suffix in {".pub", ".md"})
