"""The factorization is heard on what is new to a person, and little where hardly anything is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from training.blend import SHARE, Blend
from training.features.assemble import FEATURES
from training.sampling import Rows

BOUGHT, SCORE, DIFFERENT = (
    FEATURES.index(name)
    for name in ("own: bought", "collaborative: log folded-in score", "person: log different items")
)
HEARD = 2.0 * -1.0 - 1.0  # of a log score of -1


def features(*, bought: float = 0.0, different: float = 30.0, score: float = -1.0) -> NDArray[np.float32]:
    row = np.zeros((1, len(FEATURES)), np.float32)
    row[0, [BOUGHT, SCORE, DIFFERENT]] = bought, score, np.log1p(different)
    return row


def blended(log_odds: float, **of_row: float) -> float:
    return float(Blend(slope=2.0, intercept=-1.0)(np.array([log_odds], np.float32), features(**of_row))[0])


def test_what_was_bought_before_is_ranked_by_the_networks_alone() -> None:
    assert blended(1.25, bought=1.0) == 1.25


@pytest.mark.parametrize(("different", "share"), [(0.0, 0.0), (30.0, SHARE / 2), (1e6, SHARE)])
def test_the_more_is_known_the_more_the_factorization_is_heard(different: float, share: float) -> None:
    assert blended(1.0, different=different) == pytest.approx((1 - share) * 1.0 + share * HEARD, abs=1e-3)


def test_folded_in_scores_are_brought_to_log_odds() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([features(score=score) for score in rng.normal(-2, 1, 20_000)])
    bought = rng.random(len(rows)) < expit(1.5 * rows[:, SCORE] + 0.5)
    learned = Blend.of(Rows(rows, bought, np.ones(len(rows))))
    assert learned is not None
    assert (learned.slope, learned.intercept) == (pytest.approx(1.5, abs=0.1), pytest.approx(0.5, abs=0.2))


@pytest.mark.parametrize("all_bought", [True, False])
def test_where_nothing_can_be_told_apart_there_is_nothing_to_hear(*, all_bought: bool) -> None:
    rows = np.concatenate([features(), features()])
    assert Blend.of(Rows(rows, np.full(2, all_bought), np.ones(2))) is None
