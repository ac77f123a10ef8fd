"""The figures on the whole of the real data, with the filters that its users agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from support.commands import run

from benchmarks.complete_journey import complete_journey
from benchmarks.public_tokens import tokenised
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.purchases import PURCHASES

AS_OF: Final = "2017-11-27"


def write_tables(folder: Path) -> None:
    purchases, catalogue = complete_journey()
    assert len(purchases) == 1_439_701
    PURCHASES.write(tokenised(purchases), folder / "purchases.parquet")
    CATALOGUE.write(catalogue, folder / "catalogue.parquet")


@pytest.mark.slow
def test_the_bundle_names_new_things_better_than_popularity_and_habit(tmp_path: Path) -> None:
    write_tables(tmp_path)
    quick = "[ranker]\nseeds = 1\ndistilled = false\n"
    (tmp_path / "config.toml").write_text(quick, encoding="utf-8")
    for arguments in (
        ("keys", "init", "--signing-key", tmp_path / "key"),
        (
            *("fit", "--purchases", tmp_path / "purchases.parquet", "--catalogue", tmp_path / "catalogue.parquet"),
            *("--models", tmp_path / "models", "--name", "journey", "--signing-key", tmp_path / "key"),
            *("--until", AS_OF, "--level", "type", "--config", tmp_path / "config.toml"),
        ),
    ):
        done = run("training", *arguments)
        assert done.returncode == 0, done.stderr
    judged = ("--bundle", tmp_path / "models" / "journey", "--trust", tmp_path / "key.pub", "--as-of", AS_OF)
    done = run("recsys", "ranking", *judged, "--purchases", tmp_path / "purchases.parquet", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    overall = [f for f in document["figures"] if (f["window"], f["segment"], f["metric"]) == (None, "all", "ndcg")]
    found = {(f["task"], f["model"]): f["estimate"]["mean"] for f in overall}
    assert {f["task"]: f["subjects"] for f in overall} == {"mixed": 2002, "repeat": 1941, "novel": 1922}
    assert found["mixed", "popularity"] == pytest.approx(0.372, abs=0.001)
    assert found["mixed", "gp-pop"] == pytest.approx(0.564, abs=0.001)
    assert found["mixed", "gp-pop-baskets"] == pytest.approx(0.567, abs=0.001)
    assert found["novel", "popularity"] == pytest.approx(0.0871, abs=0.001)
    assert found["novel", "gp-pop"] == pytest.approx(0.0867, abs=0.001)
    assert found["novel", "bundle"] >= 0.090
    assert found["mixed", "bundle"] >= 0.55
    (against_popularity,) = [
        d["estimate"]["low"]
        for d in document["differences"]
        if (d["window"], d["segment"], d["task"], d["baseline"], d["metric"])
        == (None, "all", "novel", "popularity", "ndcg")
    ]
    assert against_popularity > 0
