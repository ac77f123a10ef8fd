from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from training.ranker import Ranker

pytestmark = pytest.mark.slow  # networks are learned

ROWS = np.random.default_rng(0).normal(0, 1, (4_000, 5)).astype(np.float32)
BOUGHT = ROWS[:, 0] + ROWS[:, 1] > 1
WEIGHT = np.ones(len(ROWS))


def ranker(**changed: object) -> Ranker:
    return Ranker((16, 8), seeds=2, epochs=15, resample=16_000).set_params(**changed)


@pytest.fixture(scope="module")
def learned() -> Ranker:
    return ranker().fit(ROWS, BOUGHT, WEIGHT)


def test_what_was_bought_has_the_higher_chance(learned: Ranker) -> None:
    chances = learned.predict(ROWS)
    assert ((chances > 0) & (chances < 1)).all()
    assert chances[BOUGHT].mean() > 2 * chances[~BOUGHT].mean()


def test_what_is_drawn_more_often_is_not_thought_to_be_likelier() -> None:
    lucky = np.random.default_rng(1).random(len(ROWS)) < 0.2
    assert ranker().fit(ROWS, lucky, WEIGHT).predict(ROWS).mean() == pytest.approx(0.2, abs=0.03)


def test_a_network_is_taught_what_is_blended_in() -> None:
    raised = ranker(distilled=True).fit(
        ROWS, BOUGHT, WEIGHT, blend=lambda log_odds, features: log_odds + features[:, 2]
    )
    log_odds = raised.decision_function(ROWS) - ranker(distilled=True).fit(ROWS, BOUGHT, WEIGHT).decision_function(ROWS)
    assert np.corrcoef(log_odds, ROWS[:, 2])[0, 1] > 0.9


def test_one_network_is_taught_to_answer_as_all_do(learned: Ranker) -> None:
    distilled = ranker(distilled=True).fit(ROWS, BOUGHT, WEIGHT)
    assert (len(learned.networks_), len(distilled.networks_)) == (2, 1)
    assert np.corrcoef(distilled.decision_function(ROWS), learned.decision_function(ROWS))[0, 1] > 0.9


def test_the_same_seed_gives_the_same_networks(learned: Ranker) -> None:
    again = clone(learned).fit(ROWS, BOUGHT, WEIGHT)
    assert np.array_equal(again.predict(ROWS), learned.predict(ROWS))
    assert not np.array_equal(ranker(random_state=7).fit(ROWS, BOUGHT, WEIGHT).predict(ROWS), learned.predict(ROWS))


def test_rows_of_no_weight_teach_nothing() -> None:
    wrong = np.concatenate([BOUGHT, ~BOUGHT])
    weight = np.concatenate([WEIGHT, 0 * WEIGHT])
    doubled = ranker().fit(np.concatenate([ROWS, ROWS]), wrong, weight)
    chances = doubled.predict(ROWS)
    assert chances[BOUGHT].mean() > 2 * chances[~BOUGHT].mean()
