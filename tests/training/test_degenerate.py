"""Where there is next to nothing to tell apart, a bundle is written all the same, and it answers as the model."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.tastes import DAYS, FIRST_DAY, ITEMS, SUBJECTS, Shop, Train, lines

import training.agreeing
from recsys.bundle import load_bundle
from recsys.errors import BundleError
from training.agreeing import Draft, agreeing
from training.dataset import Sources, read_dataset
from training.fit import Options, fit, in_turn, prepared, price_of_hiding
from training.judging import Quality
from training.plan import Chosen, Search, learn
from training.profiles import EFFORTS, Profile
from training.settings import FactorizationSettings, Settings
from training.tuning import Trial
from training.unseen import unseen


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
    draft, histories = Draft(fit(dataset, options).bundle, native, ()), unseen(work.world.record, work.until)
    taken = agreeing([draft], histories)
    assert taken.bundle.manifest.configuration["ranker"] == "none"
    assert taken.bundle.manifest.parity["same_top"] == 1
    assert "the factorization's alone" in taken.warnings[0]
    plain = agreeing([replace(draft, native=replace(native, ranker=None))], histories)
    assert plain.bundle.model == taken.bundle.model
    assert not plain.warnings


@pytest.mark.slow
def test_the_next_best_trial_is_taken_where_no_graph_answers_as_the_best(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With four steps of the solver the best settings of this shop are not reached, and the next best are."""
    monkeypatch.setattr(training.agreeing, "SOLVER_STEPS", (4,))
    until = FIRST_DAY + dt.timedelta(days=DAYS)
    dataset = read_dataset(Sources(shop.purchases), until=until, today=until)
    options = Options("shop", profile=Profile.TEST, seed=5, search=Search(trials=9))
    fitted = fit(dataset, options)
    manifest = fitted.bundle.manifest
    trials = [msgspec.convert(trial, Trial) for trial in manifest.trials]
    best, second = sorted(trials, key=lambda trial: trial.merit, reverse=True)[:2]
    taken = msgspec.to_builtins(second.settings)
    assert {name: manifest.configuration[name] for name in taken} == taken
    assert manifest.metrics["factorization_novel_ndcg"] == second.quality.novel
    assert (manifest.configuration["ranker"], manifest.parity["same_top"]) == ("mlp", 1)
    assert any("trial 2 by merit" in warning for warning in fitted.warnings)
    settings = msgspec.structs.replace(EFFORTS[Profile.TEST].settings, factorization=best.settings)
    with pytest.raises(BundleError, match="differs from the model"):  # without trials there is no next one
        fit(dataset, replace(options, search=Search(settings)))


def test_two_more_trials_are_learned_at_most() -> None:
    tried = [FactorizationSettings(alpha=float(alpha)) for alpha in range(1, 6)]
    trials = tuple(
        Trial(one, Quality(mixed=0.5, novel=novel)) for one, novel in zip(tried, (3, 1, 5, 2, 4), strict=True)
    )
    chosen = Chosen(Settings(factorization=tried[2]), trials)
    assert [each.settings.factorization for each in in_turn(chosen)] == [tried[2], tried[4], tried[0]]
    assert list(in_turn(replace(chosen, trials=trials[2:3]))) == [replace(chosen, trials=trials[2:3])]
    assert list(in_turn(Chosen(Settings(), ()))) == [Chosen(Settings(), ())]


def test_it_is_told_where_hiding_members_costs_much() -> None:
    tried = FactorizationSettings(regularization=0.6)
    chosen = Chosen(Settings(factorization=tried), (Trial(tried, Quality(mixed=0.4, novel=0.12)),))
    assert price_of_hiding(chosen, {"factorization_novel_ndcg": 0.081}) == ()
    (warning,) = price_of_hiding(chosen, {"factorization_novel_ndcg": 0.079})
    assert "NDCG@10 is 0.079, and 0.120 without" in warning
    assert price_of_hiding(Chosen(Settings(), ()), {}) == ()
