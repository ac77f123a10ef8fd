"""The policy lab's parts, each against plain loops or by what must hold of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support import plain_lab
from support.chain import POLICY
from support.tokens import token

from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, TokenError
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.policy_lab.auc import auc_within, estimate_aucs
from recsys.evaluation.policy_lab.groups import estimate_groups, in_order, read_demographics
from recsys.evaluation.policy_lab.judging import METRICS, Wanted
from recsys.evaluation.policy_lab.lab import Lists
from recsys.evaluation.policy_lab.leakage import folds, out_of_fold
from recsys.evaluation.policy_lab.pages.views import Table, change, percent, plain, share, words
from recsys.evaluation.policy_lab.policy_changes import policy_changes
from recsys.evaluation.policy_lab.ridge import fit_path, predict
from recsys.evaluation.policy_lab.shoppers import draw_shoppers, read_rates
from recsys.evaluation.policy_lab.traits import split_in_two
from recsys.evaluation.policy_lab.variants import bare, never_offered, not_learned_from, only, rules_of, without
from recsys.evaluation.shares import chance_of_difference, difference, wilson
from recsys.guards import GUARDS
from recsys.policy import load_policy

HERE = Lineage("rec", "01")
DAY = dt.date(2017, 11, 27)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=4, max_size=30))
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    rows += [(2, True), (2, False)]
    scores, positive = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows])
    found = auc_within(scores, positive, np.zeros(len(rows), np.int64))
    assert found == pytest.approx(plain_lab.auc(scores.tolist(), positive.tolist()))


def test_auc_compares_nobody_of_two_folds() -> None:
    scores, positive = np.array([1.0, 0.0, 11.0, 10.0]), np.array([True, False, True, False])
    assert auc_within(scores, positive, np.array([0, 0, 1, 1])) == 1.0
    assert auc_within(scores, positive, np.zeros(4, np.int64)) == 0.75


def test_intervals_of_aucs_are_paired() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(120) < 0.4
    good = positive + rng.normal(0, 1, 120)
    fold = folds(positive, 4, rng)
    means, paired = estimate_aucs([good, good, rng.random(120)], positive, fold, rng)
    assert means[0] == means[1]
    assert means[0].low < means[0].mean < means[0].high
    assert (paired[1].low, paired[1].high) == (0.0, 0.0)
    assert paired[2].mean == pytest.approx(means[0].mean - means[2].mean)
    assert paired[2].low > 0


def test_folds_hold_both_kinds_evenly() -> None:
    positive = np.arange(57) < 22
    fold = folds(positive, 5, np.random.default_rng(1))
    for flags in (positive, ~positive):
        sizes = np.bincount(fold[flags], minlength=5)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("penalty", [0.3, 3.0, 300.0])
def test_the_regression_is_where_its_objective_is_flat(penalty: float) -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(80, 6))
    positive = features[:, 0] + rng.normal(size=80) > 0
    *_, found = fit_path(features, positive, [1000.0, penalty])
    chance = 1 / (1 + np.exp(-predict(features, found)))
    slope = np.column_stack([np.ones(80), features]).T @ (positive - chance)
    assert slope == pytest.approx(np.r_[0, penalty * found[1:]], abs=1e-2)


def test_a_guess_is_made_without_the_one_who_is_guessed() -> None:
    """Whoever is guessed has a label drawn by lot: a fit that had seen it would do better than guessing."""
    rng = np.random.default_rng(3)
    features, positive = rng.normal(size=(300, 60)), rng.random(300) < 0.5
    fold = folds(positive, 10, rng)
    assert abs(auc_within(out_of_fold(features, positive, fold), positive, fold) - 0.5) < 0.1
    told = np.column_stack([features, 3.0 * positive])
    assert auc_within(out_of_fold(told, positive, fold), positive, fold) > 0.95


@pytest.mark.parametrize(
    ("labels", "having"),
    [
        (["0"] * 5 + ["1"] * 2 + ["3+"], ("1", "3+")),
        (["Under 15K"] + ["15-24K"] * 3 + ["25-34K"] * 2 + ["100-124K"] * 2, ("25-34K", "100-124K")),
        (["Married"] * 3 + ["Unmarried"] * 2, ("Married",)),
    ],
)
def test_groups_are_split_in_two(labels: list[str], having: tuple[str, ...]) -> None:
    halves = split_in_two(labels)
    assert halves is not None
    assert halves[0] == having
    assert sorted({*halves[0], *halves[1]}) == sorted(set(labels))
    assert split_in_two(["only"] * 4) is None


def test_bands_stand_in_their_order() -> None:
    bands = ["65+", "Under 15", "15-24", "100-124", "unknown"]
    assert sorted(bands, key=in_order) == ["Under 15", "15-24", "65+", "100-124", "unknown"]


def test_groups_are_held_against_everyone_else() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(60, 2))
    members = np.stack([np.arange(60) < 25, np.arange(60) % 3 == 0])
    values[members[0], 1] += 5
    found = estimate_groups(values, members, rng)
    for group, flags in enumerate(members):
        for column in range(2):
            inside, outside = values[flags, column].mean(), values[~flags, column].mean()
            mean, gap = found.means[group][column], found.gaps[group][column]
            assert mean.mean == pytest.approx(inside)
            assert gap.mean == pytest.approx(inside - outside)
            assert mean.low < mean.mean < mean.high
    assert found.gaps[0][1].low > 3


def test_a_resample_without_anybody_of_a_group_or_of_its_rest_is_not_counted() -> None:
    values = np.where(np.arange(20) == 7, 0.25, 1.0)[:, None]
    alone = np.arange(20) == 7
    found = estimate_groups(values, np.stack([alone, ~alone]), np.random.default_rng(0))
    assert found.means == [[Estimate(0.25, 0.25, 0.25)], [Estimate(1.0, 1.0, 1.0)]]
    assert found.gaps == [[Estimate(-0.75, -0.75, -0.75)], [Estimate(0.75, 0.75, 0.75)]]


def test_lists_are_judged_as_by_plain_loops() -> None:
    rng = np.random.default_rng(5)
    offers = np.array([rng.permutation(12)[:4] for _ in range(30)])
    offers[:5, 2:] = -1  # short lists
    relevant = rng.random((30, 12)) < 0.3
    relevant[:, 0] = True
    rows = np.arange(30)
    judged = Wanted(rows, relevant).judge(Lists(offers, np.ones(30, np.bool_), {}))
    plain_lists = [[offer for offer in row if offer >= 0] for row in offers.tolist()]
    expected = plain_lab.quality(plain_lists, [set(np.flatnonzero(row).tolist()) for row in relevant], 4)
    assert dict(zip(METRICS, judged.mean(axis=0).tolist(), strict=True)) == pytest.approx(expected)


def test_an_offer_that_is_right_for_everyone_adds_nothing_beyond_chance() -> None:
    relevant = np.ones((8, 3), np.bool_)
    lists = Lists(np.tile([2, 0], (8, 1)), np.ones(8, np.bool_), {})
    ndcg, precision, beyond = Wanted(np.arange(8), relevant).judge(lists).mean(axis=0)
    assert (ndcg, precision, beyond) == (1.0, 1.0, 0.0)


def test_lists_that_changed_and_what_they_kept() -> None:
    one = Lists(np.array([[1, 2, -1], [4, 5, 6]]), np.ones(2, np.bool_), {})
    other = Lists(np.array([[1, 2, -1], [6, 5, 7]]), np.ones(2, np.bool_), {})
    assert one.changed(other).tolist() == [False, True]
    assert one.kept(other).tolist() == [2, 2]
    assert one.lengths.tolist() == [2, 3]


def test_a_rule_left_out_is_absent_and_the_others_stay() -> None:
    policy = load_policy(POLICY)
    rules = rules_of(policy)
    assert set(rules) <= {*GUARDS, "frequency_cap", "diversity"}
    assert {"never", "only_if_purchased", "fatigue", "diversity"} <= set(rules)
    for rule in rules:
        assert rules_of(without(policy, rule)) == tuple(other for other in rules if other != rule)
        assert rules_of(only(policy, rule)) == (rule,)
        assert only(policy, rule).groups == bare(policy).groups  # or what is not named would be charged to the rule
    assert rules_of(bare(policy)) == ()
    assert all(group.name for group in bare(policy).groups.values())
    assert {name: group.categories for name, group in bare(policy).groups.items()} == {
        name: group.categories for name, group in policy.groups.items()
    }
    assert set(not_learned_from(policy).unlearned) == set(policy.groups)
    assert rules_of(not_learned_from(policy)) == rules
    assert set(never_offered(policy).never) == set(policy.groups)


def changed(text: str, *swaps: tuple[str, str]) -> str:
    for old, new in swaps:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


POLICY_TEXT = """
version = 1
never = ["weapons"]
[groups.weapons]
categories = ["KNIVES", "GUNS"]
[groups.wine]
items = ["w1"]
[[only_if_purchased]]
groups = ["wine"]
min_days = 2
within_days = 90
[[cool_down]]
items = ["kettle"]
days = 30
[[cap]]
per = "offer"
max = 3
hours = 24
[holdout]
salt = "drawn-in-march"
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("min_days = 2", "min_days = 3", [("only_if_purchased (wine).min_days", "2", "3")]),
        ('"KNIVES", "GUNS"', '"GUNS", "KNIVES"', []),
        ('"KNIVES", "GUNS"', '"GUNS", "SWORDS"', [("groups.weapons.categories", "KNIVES", "SWORDS")]),
        (
            '[[cool_down]]\nitems = ["kettle"]\ndays = 30\n',
            "",
            [("cool_down (kettle)", "items kettle, days 30, level category", None)],
        ),
        ("drawn-in-march", "drawn-in-april", [("holdout.salt", "(not shown)", "(not shown)")]),
        ("version = 1", 'version = 1\nunknown_category = "allow"', [("unknown_category", "withhold", "allow")]),
        ("[groups.wine]", "[groups.wine]\nlearn = false", [("groups.wine.learn", "true", "false")]),
        ("[holdout]", "[fatigue]\nafter = 2\n[holdout]", [("fatigue", None, "after 2, rest_days 30, answer_hours 0")]),
    ],
)
def test_what_two_policies_say_differently(
    tmp_path: Path, old: str, new: str, says: list[tuple[str, str | None, str | None]]
) -> None:
    paths = tmp_path / "one.toml", tmp_path / "other.toml"
    for path, text in zip(paths, (POLICY_TEXT, changed(POLICY_TEXT, (old, new))), strict=True):
        path.write_text(text)
    one, other = (load_policy(path) for path in paths)
    assert [(c.where, c.before, c.after) for c in policy_changes(one, other)] == says
    assert [(c.where, c.after, c.before) for c in policy_changes(other, one)] == says
    assert policy_changes(one, one) == ()


@pytest.mark.parametrize(("hits", "of"), [(0, 7), (3, 9), (44, 44), (1, 500)])
def test_intervals_of_shares_are_scipy_s(hits: int, of: int) -> None:
    expected = stats.binomtest(hits, of).proportion_ci(method="wilson")
    found = wilson(hits, of)
    assert (found.mean, found.low, found.high) == pytest.approx((hits / of, expected.low, expected.high))


def test_differences_of_shares_are_the_published_ones() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table II, method 10: rows (a) and (g)."""
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    found = difference(wilson(10, 10), wilson(0, 10))
    assert (round(found.low, 4), round(found.high, 4)) == (0.6075, 1.0)
    assert chance_of_difference((10, 0), (10, 10)) < 0.0001
    assert chance_of_difference((5, 50), (10, 100)) == 1.0


def write_redemptions(path: Path, rows: list[tuple[str, int]]) -> Path:
    frame = pl.DataFrame(
        {
            "subject": [subject for subject, _ in rows],
            "offer_id": [f"o{place}" for place in range(len(rows))],
            "day": [DAY + dt.timedelta(after) for _, after in rows],
        },
        schema={"subject": pl.String, "offer_id": pl.String, "day": pl.Date},
    )
    REDEMPTIONS.write(frame, path)
    return path


def test_rates_count_what_was_redeemed_before_the_day(tmp_path: Path) -> None:
    one, other, late = token("one"), token("other"), token("late")
    path = write_redemptions(tmp_path / "r.parquet", [(one, -70), (one, -1), (other, -7), (late, 0)])
    rates = read_rates(path, HERE, until=DAY)
    assert rates.of([other, one, late]).tolist() == [0.1, 0.2, 0.0]


def test_redemptions_that_tell_of_no_rate(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="nothing was redeemed before 2017-11-27"):
        read_rates(write_redemptions(tmp_path / "r.parquet", [(token("late"), 3)]), HERE, until=DAY)
    with pytest.raises(TokenError, match=r"tokens of shop\.01, the purchases those of rec\.01"):
        read_rates(write_redemptions(tmp_path / "f.parquet", [(token("x", domain="shop"), -3)]), HERE, until=DAY)


def test_shoppers_are_drawn_without_looking() -> None:
    everyone = [f"s{number:03}" for number in range(50)]
    drawn = draw_shoppers(everyone, 10, np.random.default_rng(0))
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn == draw_shoppers(everyone, 10, np.random.default_rng(0))
    assert draw_shoppers(everyone, 80, np.random.default_rng(0)) == everyone


def test_demographics_of_another_domain_are_refused(tmp_path: Path) -> None:
    row = {"subject": [token("x", domain="shop")], "attribute": ["age"], "group": ["65+"]}
    DEMOGRAPHICS.write(pl.DataFrame(row), tmp_path / "d.parquet")
    with pytest.raises(TokenError, match=r"tokens of shop\.01, the purchases those of rec\.01"):
        read_demographics(tmp_path / "d.parquet", HERE)


def test_figures_as_they_are_written() -> None:
    estimate = Estimate(-0.0123, -0.02, 0.5)
    assert plain(estimate) == "−.012 [−.020, .500]"  # noqa: RUF001 - a true minus sign
    assert change(Estimate(0.0, 0.0, 0.0)) == "0"
    assert percent(Estimate(0.1234, 0.1, 0.2)) == "12.3 [10.0, 20.0]"
    assert share(1, 3) == "33.3"
    assert words(["a", "b", "c"]) == "a, b and c"


def test_a_table_in_the_documentation() -> None:
    table = Table("t", "caption", ("name", "figure"), (("a|b", "1"),))
    assert table.as_markdown() == "| name | figure |\n|---|---:|\n| a\\|b | 1 |"
