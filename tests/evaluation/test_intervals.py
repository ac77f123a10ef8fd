from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recsys.evaluation import intervals
from recsys.evaluation.intervals import (
    RESAMPLES,
    Estimate,
    bootstrap_means,
    bootstrap_unit_means,
    estimates,
    holm,
    p_values,
    resampled_means,
)


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


def test_groups_share_the_draws_so_that_windows_are_paired() -> None:
    values = sample(40, 2)
    some = np.arange(0, 40, 2)
    whole, again, half = resampled_means(
        [(np.arange(40), values), (np.arange(40), values), (some, values[some])], 40, np.random.default_rng(3)
    )
    assert (whole == again).all()
    (slow,) = resampled_means([(some, values[some])], 40, np.random.default_rng(3))
    assert slow == pytest.approx(half)


def test_a_resample_that_nobody_of_a_group_is_in_is_not_counted() -> None:
    (drawn,) = resampled_means([(np.array([7]), np.array([[0.25]]))], 20, np.random.default_rng(0))
    missed = np.isnan(drawn).mean()
    assert missed == pytest.approx((19 / 20) ** 20, abs=0.02)
    assert estimates(np.array([0.25]), drawn) == [Estimate(0.25, 0.25, 0.25)]


def test_p_agrees_with_the_interval_and_with_a_t_test() -> None:
    differences = np.random.default_rng(5).normal(0.02, 0.1, (150, 1))
    (drawn,) = resampled_means([(np.arange(150), differences)], 150, np.random.default_rng(0))
    (p,) = p_values(drawn)
    assert p == pytest.approx(stats.ttest_1samp(differences[:, 0], 0).pvalue, abs=0.01)
    assert p_values(np.zeros((99, 1)))[0] == 1
    assert p_values(np.ones((99, 1)))[0] == pytest.approx(2 / 100)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_rejecting_step_by_step(p: list[float]) -> None:
    """Holm's procedure as he wrote it: in ascending order, against level / (m - j), until one stands."""
    corrected = holm(np.array(p))
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, number in enumerate(sorted(range(len(p)), key=lambda number: p[number])):
            if p[number] * (len(p) - step) > level:
                break
            rejected.add(number)
        assert {number for number, value in enumerate(corrected) if value <= level} == rejected


def test_the_worked_example_of_holm_holds() -> None:
    assert doctest.testmod(intervals).failed == 0


def test_units_of_one_subject_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(40, 2))
    alone = bootstrap_unit_means(values, np.arange(40), np.random.default_rng(0))
    assert alone == bootstrap_means(values, np.random.default_rng(0))
    twice = bootstrap_unit_means(np.repeat(values, 2, axis=0), np.repeat(np.arange(40), 2), np.random.default_rng(0))
    for one, other in zip(alone, twice, strict=True):
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))
    naive = bootstrap_means(np.repeat(values, 2, axis=0), np.random.default_rng(0))
    assert naive[0].high - naive[0].low < 0.8 * (alone[0].high - alone[0].low)
    with pytest.raises(ValueError, match="no subject"):
        bootstrap_unit_means(np.empty((0, 2)), np.empty(0, np.int64), rng)
