"""The real data, with the filters and the protocol of the published evaluations, and a metric of its own."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from support.commands import run

from benchmarks.complete_journey import complete_journey
from benchmarks.public_tokens import tokenised
from recsys.bundle import Bundle, load_bundle
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer
from training.signing import create_signing_key

AS_OF = dt.date(2017, 11, 27)
END = AS_OF + dt.timedelta(weeks=4)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Purchases, the catalogue and a signing key."""
    made: Path = tmp_path_factory.mktemp("complete_journey")
    purchases, catalogue = complete_journey()
    assert len(purchases) == 1_439_701
    tokenised(purchases).write_parquet(made / "purchases.parquet")
    catalogue.write_parquet(made / "catalogue.parquet")
    create_signing_key(made / "key")
    return made


@pytest.fixture(scope="module")
def real(folder: Path) -> Bundle:
    """What the real command makes of it, with its own choice of level, and a quicker ranker than by default."""
    (folder / "config.toml").write_text("[ranker]\nseeds = 1\nepochs = 4\nresample = 250000\n", encoding="utf-8")
    done = run(
        *("training", "fit", "--purchases", folder / "purchases.parquet", "--catalogue", folder / "catalogue.parquet"),
        *("--models", folder / "models", "--name", "grocery", "--signing-key", folder / "key", "--until", AS_OF),
        *("--config", folder / "config.toml", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["level"] == "type"
    return load_bundle(folder / "models" / "grocery", trust=folder / "key.pub")


def test_the_graph_solves_exactly(real: Bundle) -> None:
    parity = real.manifest.parity
    assert parity["histories"] == 256
    assert parity["fold_difference"] <= 1e-5
    assert parity["score_difference"] <= 1e-4
    assert parity["batch_difference"] <= 1e-6
    assert parity["contribution_difference"] <= 1e-4
    assert parity["same_top"] == 1


def test_regularisation_is_strong_enough_to_hide_members(real: Bundle) -> None:
    assert real.manifest.privacy["membership_auc"] <= 0.53


def test_novel_items_are_ranked_better_than_by_popularity(real: Bundle, folder: Path) -> None:
    purchases = pl.read_parquet(folder / "purchases.parquet")
    index = ItemIndex.of(purchases["item"].unique().sort())
    scorer = Scorer(real)
    codes = scorer.codes(index)
    before = histories(purchases, index, until=AS_OF)
    scores = scorer.score(scorer.fold(before, codes, as_of=day_number(AS_OF)), np.arange(len(real.vocabulary)))
    model_item = pl.DataFrame({"item": index.names, "code": codes}).filter(pl.col("code") >= 0)
    after = purchases.filter(pl.col("day") >= AS_OF, pl.col("day") < END).join(model_item, on="item")
    bought, relevant = np.zeros(scores.shape, np.bool_), np.zeros(scores.shape, np.bool_)
    known = codes[before.item] >= 0
    bought[before.rows_of[known], codes[before.item][known]] = True
    row_of = {subject: row for row, subject in enumerate(before.subjects)}
    for subject, code in after.select("subject", "code").unique().iter_rows():
        if subject in row_of:
            relevant[row_of[subject], code] = True
    novel = ndcg(np.where(bought, -np.inf, scores), relevant & ~bought)
    mixed = ndcg(scores, relevant)
    popularity = np.broadcast_to(bought.sum(axis=0, dtype=float), scores.shape)
    popular = ndcg(np.where(bought, -np.inf, popularity), relevant & ~bought)
    print(f"novel {novel:.4f} (popularity {popular:.4f}), mixed {mixed:.4f}")  # noqa: T201 - the figure, with `pytest -s`
    assert relevant.any(axis=1).sum() == pytest.approx(2_007, abs=3)
    assert (relevant & ~bought).any(axis=1).sum() == pytest.approx(1_925, abs=3)
    assert popular == pytest.approx(0.087, abs=0.002)
    assert novel >= 0.090
    assert mixed >= 0.55


def ndcg(scores: NDArray[np.floating], relevant: NDArray[np.bool_], places: int = 10) -> float:
    """Mean over those with something relevant; the best list has all that is relevant in front, as far as it goes."""
    values = []
    for own_scores, own in zip(scores, relevant, strict=True):
        if own.any():
            top = np.argsort(-own_scores, kind="stable")[:places]
            gained = sum(1 / np.log2(place + 2) for place, item in enumerate(top) if own[item])
            values.append(gained / sum(1 / np.log2(place + 2) for place in range(min(places, int(own.sum())))))
    return float(np.mean(values))
