from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from support.commands import in_process, run
from support.market import AS_OF, Market
from support.tokens import token

from recsys.cli import app
from recsys.contracts.purchases import PURCHASES
from recsys.errors import RecsysError, UsageError
from recsys.evaluation.drift import Drift, Periods, Verdict, advice, of_names, of_values, shopping

DAYS = 28


def names(weights: np.ndarray, size: int, seed: int, prefix: str = "item") -> pl.Series:
    drawn = np.random.default_rng(seed).choice(len(weights), size, p=weights / weights.sum())
    return pl.Series([f"{prefix}-{number:04}" for number in drawn])


def test_the_same_habits_are_stable_however_little_there_is() -> None:
    weights = 1 / np.arange(1, 401)
    for size in (100, 20_000):
        found = of_names("items", names(weights, size, 1), names(weights, size, 2))
        assert found.verdict is Verdict.STABLE
        assert found.n == (size, size)
        assert found.psi < found.noise


def test_another_order_of_bestsellers_has_changed() -> None:
    weights = 1 / np.arange(1, 401)
    found = of_names("items", names(weights, 20_000, 1), names(weights[::-1].copy(), 20_000, 2))
    assert found.verdict is Verdict.CHANGED
    assert found.ks is None


def test_a_new_assortment_is_noticed_in_the_tail() -> None:
    weights = np.ones(2_000)
    old, same = names(weights, 20_000, 1), names(weights, 20_000, 2)
    new = pl.concat([same.head(14_000), names(weights, 6_000, 3, "other")])
    assert of_names("items", old, same).verdict is Verdict.STABLE
    assert of_names("items", old, new).verdict is Verdict.CHANGED


def test_values_are_compared_as_scipy_does() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(0, 1, 700), rng.normal(0.4, 1, 500)
    found = of_values("scores", old, new)
    theirs = stats.ks_2samp(old, new)
    assert (found.ks, found.p) == (theirs.statistic, theirs.pvalue)
    edges = np.quantile(old, np.arange(1, 10) / 10)
    share = [(np.bincount(np.searchsorted(edges, v), minlength=10) + 0.5) / (len(v) + 5) for v in (old, new)]
    assert found.psi == pytest.approx(sum((q - p) * np.log(q / p) for p, q in zip(*share, strict=True)))
    assert found.verdict is Verdict.SHIFTED
    assert of_values("scores", old, rng.normal(0, 1, 500)).verdict is Verdict.STABLE


def test_about_one_in_a_hundred_exceeds_the_noise_without_drift() -> None:
    rng = np.random.default_rng(3)
    pairs = [of_values("x", rng.normal(size=400), rng.normal(size=300)) for _ in range(200)]
    assert sum(found.psi > found.noise for found in pairs) <= 8


def test_rhythm_is_each_subjects_mean() -> None:
    first = dt.date(2024, 1, 1)
    rows = [
        (token(who), f"item-{item}", first + dt.timedelta(days=day))
        for who in range(9)
        for day in (0, 2, 6)
        for item in range(2)
    ]
    rows += [(token(who), "item-0", first + dt.timedelta(days=30 + day)) for who in range(9) for day in (0, 12)]
    daily = pl.DataFrame(rows, schema=["subject", "item", "day"], orient="row")
    gaps, sizes = shopping(Periods.of(daily, first, first + dt.timedelta(days=30), 28))
    assert (gaps.n, sizes.n) == ((9, 9), (9, 9))
    assert (gaps.ks, sizes.ks) == (1.0, 1.0)
    assert gaps.verdict is Verdict.CHANGED


def test_advice_names_what_changed() -> None:
    def drift(what: str, verdict: Verdict) -> Drift:
        return Drift(what=what, psi=0, noise=0, ks=None, p=None, n=(9, 9), verdict=verdict)

    found = [drift("items", Verdict.STABLE), drift("rhythm", Verdict.SHIFTED)]
    assert advice(found[:1])[0] is Verdict.STABLE
    assert advice(found) == (
        Verdict.SHIFTED,
        "Watch: rhythm shifted. Judge the bundle that serves on the newest window.",
    )
    verdict, text = advice([*found, drift("scores", Verdict.CHANGED)])
    assert verdict is Verdict.CHANGED
    assert text.startswith("Learn again: scores changed.")


def options(market: Market, out: Path, **changed: object) -> list[str]:
    first = AS_OF - dt.timedelta(days=2 * DAYS)
    given = {"purchases": market.purchases, "before": first, "after": first + dt.timedelta(days=DAYS), "out": out}
    return ["drift", *(text for name, value in (given | changed).items() for text in (f"--{name}", str(value)))]


@pytest.mark.slow
def test_the_command_says_whether_to_learn_again(market: Market, tmp_path: Path) -> None:
    done = run("recsys", *options(market, tmp_path, bundle=market.bundle, trust=market.trust), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert json.loads((tmp_path / "drift.json").read_text()) == document
    assert [one["what"] for one in document["drifts"]] == [
        *("items", "days between shopping days", "different items a shopping day", "best score of the bundle")
    ]
    assert document["advice"] in done.stderr
    page = (tmp_path / "drift.html").read_text()
    assert document["advice"] in page
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert not [subject for subject in market.lines["subject"].unique() if subject in page + done.stdout]


@pytest.mark.slow
def test_a_new_assortment_is_a_reason_to_learn_again(market: Market, tmp_path: Path) -> None:
    later = pl.col("day") >= AS_OF - dt.timedelta(days=DAYS)
    changed = market.lines.with_columns(item=pl.when(later).then(pl.lit("new ") + pl.col("item")).otherwise("item"))
    PURCHASES.write(changed, tmp_path / "changed.parquet")
    in_process(app, *options(market, tmp_path, purchases=tmp_path / "changed.parquet"))
    document = json.loads((tmp_path / "drift.json").read_text())
    assert document["verdict"] == "changed"
    assert document["advice"].startswith("Learn again: items")
    assert document["unseen_share"] == 1.0


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(market: Market, tmp_path: Path) -> None:
    for changed, error, message in (
        ({"after": AS_OF - dt.timedelta(days=30)}, UsageError, "less than 28 days after --before"),
        ({"before": "2016-01-01"}, RecsysError, "fewer than 5 people bought anything"),
        ({"bundle": market.bundle}, UsageError, "come together"),
    ):
        with pytest.raises(error, match=message):
            in_process(app, *options(market, tmp_path / "out", **changed))
    assert not (tmp_path / "out").exists()
