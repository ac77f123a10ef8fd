from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recsys.errors import UsageError
from training.baselines import EASE, ItemKNN
from training.budget import MOST, Budget, parse_budget
from training.factorize import Factorization
from training.judging import Quality
from training.membership import attack
from training.settings import FactorizationSettings, RankerSettings, Settings, read_settings, written
from training.tuning import Journal, Trial, search

BEST = FactorizationSettings(regularization=2.0, alpha=0.4, factors=64)


class Judge:
    """Settings are the better the nearer they are to the best ones; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, settings: FactorizationSettings) -> Quality:
        self.asked += 1
        away = abs(np.log(settings.regularization / 2)) + abs(np.log(settings.alpha / 0.4)) + (settings.factors != 64)
        return Quality(float(np.exp(-away)), float(np.exp(-away)))


def searched(
    judge: Judge, trials: int, journal: Path | None = None, seed: int = 0
) -> tuple[FactorizationSettings, list[Trial]]:
    go_on = lambda made: made < trials  # noqa: E731
    return search(judge, FactorizationSettings(), go_on=go_on, journal=Journal(journal, "this"), seed=seed)


def test_one_coordinate_after_the_other_finds_the_best() -> None:
    best, trials = searched(Judge(), 19)
    assert best == BEST
    tried = [(one.settings.regularization, one.settings.alpha, one.settings.factors) for one in trials]
    assert tried[:8] == [(value, 1.0, 128) for value in (0.6, 0.3, 1.0, 2.0)] + [
        (2.0, value, 128) for value in (0.1, 0.4, 4.0, 16.0)
    ]
    assert tried[13:] == [
        *((2.0, 0.4, factors) for factors in (64, 32)),
        *((2.0 * factor, 0.4, 64) for factor in (0.7, 1.4)),
        *((2.0, alpha, 64) for alpha in (0.28, 0.56)),
    ]


def test_settings_have_three_digits_at_most() -> None:
    _, trials = searched(Judge(), 60)
    tried = {number for one in trials for number in (one.settings.regularization, one.settings.alpha)}
    assert {0.4 * 0.7, 2.0 * 1.4} - tried == {0.4 * 0.7}  # .27999999999999997
    assert tried == {float(f"{number:.3g}") for number in tried}


@pytest.mark.parametrize("budget", [5, 40, 300])
def test_a_budget_is_spent_and_ends_the_search(budget: int) -> None:
    judge = Judge()
    _, trials = searched(judge, budget)
    assert len({one.settings for one in trials}) == len(trials) == judge.asked == budget


def test_a_larger_budget_only_adds_trials_and_the_seed_draws_them() -> None:
    (_, some), (_, more), (_, others) = (searched(Judge(), n, seed=seed) for n, seed in ((40, 0), (60, 0), (60, 1)))
    assert more[:40] == some
    assert others[:19] == some[:19]
    assert others != more
    assert 256 in {one.settings.factors for one in some[19:]}


def test_a_larger_budget_comes_closer_to_what_lies_between_the_steps() -> None:
    class Between(Judge):
        def __call__(self, settings: FactorizationSettings) -> Quality:
            self.asked += 1
            away = abs(np.log(settings.regularization / 1.2)) + abs(np.log(settings.alpha / 0.22))
            return Quality(float(np.exp(-away)), float(np.exp(-away)))

    reached = [max(one.merit for one in searched(Between(), trials)[1])[0] for trials in (19, 60)]
    assert reached[0] < 0.85
    assert reached[1] > 0.94


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    path, whole = tmp_path / "trials.jsonl", Judge()
    expected = searched(whole, 30)
    searched(Judge(), 7, path)
    with path.open("ab") as file:
        file.write(b'\n{"basis": "this", "tri')  # the line that was being written
    searched(Judge(), 12, path)
    rest = Judge()
    assert searched(rest, 30, path) == expected
    assert rest.asked == whole.asked - 12


def test_trials_that_depended_on_something_else_are_passed_over(tmp_path: Path) -> None:
    searched(Judge(), 7, tmp_path / "trials.jsonl")
    assert Journal(tmp_path / "trials.jsonl", "this").find(FactorizationSettings()) is not None
    assert Journal(tmp_path / "trials.jsonl", "other").find(FactorizationSettings()) is None


@pytest.mark.parametrize(
    ("text", "budget"),
    [("12", Budget(12)), ("90s", Budget(MOST, 90)), ("5m", Budget(MOST, 300)), ("2h", Budget(MOST, 7_200))],
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
        ("[factorization]\ndecay = 3.0", "decay is one of 0, 0.5, 2, 8"),
        ("[factorization]\ndecay = -1", "decay is one of"),
        ("[factorization]\nregularization = inf", "finite"),
        ("[factorization]\nalpha = nan", "alpha"),
        ("[ranker]\nhidden = []", "hidden"),
        ("[ranker]\nhidden = [64, 0]", "hidden"),
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
