from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recsys.evaluation.intervals import RESAMPLES, bootstrap_means


def sample(subjects: int, columns: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(0.5, 2, (subjects, columns))


def test_the_interval_holds_the_mean_and_narrows_with_more_subjects() -> None:
    (few,), (many,) = (bootstrap_means(sample(n), np.random.default_rng(1)) for n in (50, 5000))
    for estimate in (few, many):
        assert estimate.low < estimate.mean < estimate.high
    assert 7 < (few.high - few.low) / (many.high - many.low) < 14  # √100 = 10


def test_the_same_seed_gives_the_same_interval_and_another_a_close_one() -> None:
    values = sample(300, 2)
    first, again, other = (bootstrap_means(values, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert [e.low for e in first] == pytest.approx([e.low for e in other], abs=0.005)


def test_it_agrees_with_scipy() -> None:
    values = sample(120)
    (ours,) = bootstrap_means(values, np.random.default_rng(0))
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(1), batch=1000
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == values.mean()
    assert abs(ours.low - theirs.low) < 0.05 * width
    assert abs(ours.high - theirs.high) < 0.05 * width


def test_a_difference_that_is_the_same_for_everyone_has_no_width() -> None:
    base = sample(200)
    one, other, paired = bootstrap_means(
        np.hstack([base, base + 0.02, np.full_like(base, 0.02)]), np.random.default_rng(0)
    )
    assert one.high > other.low  # the two overlap …
    assert (paired.low, paired.high) == pytest.approx((0.02, 0.02))  # … and yet the difference is certain


def test_about_19_of_20_intervals_hold_the_true_mean() -> None:
    samples = [sample(80, seed=seed) for seed in range(60)]
    estimates = bootstrap_means(np.hstack(samples), np.random.default_rng(0))
    held = sum(estimate.low <= 0.5 / 2.5 <= estimate.high for estimate in estimates)
    assert 52 <= held <= 60


def test_nobody_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no subject"):
        bootstrap_means(np.empty((0, 1)), np.random.default_rng(0))
