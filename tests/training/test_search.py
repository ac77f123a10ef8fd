from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recsys.errors import UsageError
from training.baselines import EASE, ItemKNN
from training.budget import Budget, parse_budget
from training.factorize import Factorization
from training.judging import Quality
from training.membership import attack
from training.settings import FactorizationSettings, RankerSettings, Settings, read_settings, written
from training.tuning import Journal, search

BEST = FactorizationSettings(regularization=2.0, alpha=0.4, factors=64)


class Judge:
    """Settings are the better the nearer they are to the best ones; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, settings: FactorizationSettings) -> Quality:
        self.asked += 1
        away = abs(np.log(settings.regularization / 2)) + abs(np.log(settings.alpha / 0.4)) + (settings.factors != 64)
        return Quality(float(np.exp(-away)), float(np.exp(-away)))


def test_one_coordinate_after_the_other_finds_the_best() -> None:
    best, trials = search(Judge(), FactorizationSettings(), go_on=lambda _: True, journal=Journal(None))
    assert best == BEST
    assert len(trials) == len({trial.settings for trial in trials}) == 19


def test_a_budget_ends_the_search() -> None:
    judge = Judge()
    _, trials = search(judge, FactorizationSettings(), go_on=lambda made: made < 5, journal=Journal(None))
    assert len(trials) == judge.asked == 5


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    path, whole = tmp_path / "trials.jsonl", Judge()
    expected = search(whole, FactorizationSettings(), go_on=lambda _: True, journal=Journal(None))
    search(Judge(), FactorizationSettings(), go_on=lambda made: made < 7, journal=Journal(path))
    with path.open("ab") as file:
        file.write(b'{"settings": {"fac')  # the line that was being written
    rest = Judge()
    found = search(rest, FactorizationSettings(), go_on=lambda _: True, journal=Journal(path))
    assert found == expected
    assert rest.asked == whole.asked - 7


@pytest.mark.parametrize(
    ("text", "budget"),
    [("12", Budget(12)), ("90s", Budget(10_000, 90)), ("5m", Budget(10_000, 300)), ("2h", Budget(10_000, 7_200))],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "0", "0m", "five", "-3", "5 m", "1.5h", "9999999"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match="--budget: is no budget"):
        parse_budget(text)


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = Settings(factorization=BEST, ranker=RankerSettings(hidden=(8,), seeds=2))
    (tmp_path / "config.toml").write_text(written(settings), encoding="utf-8")
    assert read_settings(tmp_path / "config.toml") == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[factorization]\nfactrs = 3", "factrs"),
        ("[factorization]\nfactors = 0", "factors"),
        ("[factorization]\ntransform = 'cube'", "transform"),
        ("[factorization", "not TOML"),
    ],
)
def test_settings_that_mean_nothing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_settings(tmp_path / "config.toml")


def test_learned_by_heart_is_noticed_and_strong_regularisation_hides_it() -> None:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix((rng.random((600, 60)) < 0.08).astype(np.float32))
    weak = attack(Factorization(32, regularization=0.02, random_state=0), counts, seed=0).factors
    strong = attack(Factorization(32, regularization=8.0, random_state=0), counts, seed=0).factors
    assert weak > 0.8
    assert strong < 0.6  # not .5: of so few people, what is popular tells of each


@pytest.mark.parametrize("model", [EASE(5.0), ItemKNN(4, shrink=0.0)])
def test_baselines_name_what_belongs_to_the_same_taste(model: EASE | ItemKNN) -> None:
    rng = np.random.default_rng(0)
    same = np.arange(90)[:, None] % 3 == np.arange(12)[None] % 3
    counts = sparse.csr_matrix(rng.poisson(np.where(same, 1.0, 0.05)).astype(np.float32))
    scores = model.fit(counts).predict(sparse.csr_matrix(np.eye(12, dtype=np.float32)))
    np.fill_diagonal(scores, -np.inf)
    assert (scores.argmax(axis=1) % 3 == np.arange(12) % 3).all()
    assert model.set_params(transform="sqrt").get_params()["transform"] == "sqrt"
