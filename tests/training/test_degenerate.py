"""Where there is next to nothing to tell apart, a bundle is written all the same, and it answers as the model."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.tastes import DAYS, FIRST_DAY, ITEMS, SUBJECTS, Shop, Train, lines

from recsys.bundle import load_bundle
from training.dataset import Sources, read_dataset
from training.fit import Options, fit, prepared, with_graph
from training.plan import learn
from training.profiles import EFFORTS, Profile


def test_everyone_buys_everything(shop: Shop, tmp_path: Path, train: Train) -> None:
    rows = [(subject, item, day, 1.0) for subject in SUBJECTS for item in ITEMS[:12] for day in (0, 30, 60, 80)]
    lines(rows).write_parquet(tmp_path / "purchases.parquet")
    done = train("fit", *shop.options(tmp_path / "models", purchases=tmp_path / "purchases.parquet"), "--json")
    assert done.returncode == 0, done.stderr
    manifest = load_bundle(done.bundle, trust=shop.trust).manifest
    assert manifest.configuration["ranker"] == "mlp"
    assert manifest.parity["score_difference"] < 1e-5


@pytest.mark.slow
def test_a_ranker_that_no_graph_agrees_with_is_left_out(shop: Shop) -> None:
    until = FIRST_DAY + dt.timedelta(days=DAYS)
    dataset = read_dataset(Sources(shop.purchases), until=until, today=until)
    options = Options("shop", profile=Profile.TEST)
    work = prepared(dataset, options).work
    native = learn(work, EFFORTS[Profile.TEST].settings)
    assert native.ranker is not None
    native.ranker.scale_ = np.full_like(native.ranker.scale_, np.nan)
    bundle = with_graph(fit(dataset, options).bundle, native, work.world, work.until)
    assert bundle.manifest.configuration["ranker"] == "none"
    assert bundle.manifest.parity["same_top"] == 1
    plain = with_graph(bundle, replace(native, ranker=None), work.world, work.until)
    assert plain.model == bundle.model
