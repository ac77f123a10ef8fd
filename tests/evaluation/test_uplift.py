"""`recsys-evaluate uplift`: planted effects are found, no others, and people who got lost are noticed."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.commands import assert_clear_failure, run
from support.tokens import token

from recsys.contracts.audit import DECISIONS
from recsys.contracts.event import EVENTS
from recsys.errors import ContractError, UsageError
from recsys.evaluation.assignments import assignments
from recsys.evaluation.uplift import UpliftResult, measure_uplift

START = dt.datetime(2017, 11, 27, tzinfo=dt.UTC)
SHARES = {"empty": 0.3, "popular": 0.3, "personal": 0.4}
TRIED = {"empty": 0.2, "personal": 0.4, "challenger": 0.4}


def world(
    people: int,
    rates: dict[str, float],
    *,
    lost: float = 0.0,
    seed: int = 5,
    shares: dict[str, float] = SHARES,
    loser: str = "empty",
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decisions and events of people who buy at the rates of their arms; of the arm `loser`, a share got lost."""
    rng = np.random.default_rng(seed)
    arms = rng.choice(list(shares), people, p=list(shares.values()))
    kept = [n for n in range(people) if arms[n] != loser or rng.random() >= lost]
    decisions = [_decision(n, arms[n], round_) | {"arm_share": shares[arms[n]]} for n in kept for round_ in range(2)]
    events = [
        _bought(n, number, hour)
        for n in kept
        for number, hour in enumerate(rng.integers(-48, 300, rng.poisson(rates[str(arms[n])])).tolist())
    ]
    return DECISIONS.checked(pl.DataFrame(decisions), where="here"), EVENTS.checked(pl.DataFrame(events), where="here")


def _decision(person: int, arm: str, round_: int) -> dict[str, object]:
    return {
        "decision_id": f"{person:031x}{round_}",
        "subject": token(person),
        "at": START + dt.timedelta(days=round_),
        "channel": "email",
        "model_version": "m/1",
        "policy_version": "p@1",
        "arm": arm,
        "fill": "none" if arm == "empty" else arm,
        "offers": [],
        "scores": [],
        "propensities": [],
    }


def _bought(person: int, number: int, hour: int) -> dict[str, object]:
    at = START + dt.timedelta(hours=hour)
    return {
        "event_id": f"e{person}.{number}",
        "type": "purchase",
        "subject": token(person),
        "at": at,
        "received": at,
        "item": "milk",
        "quantity": 1.0,
        "value": 2.0,
    }


def measured(
    decisions: pl.DataFrame, events: pl.DataFrame, *, days: int | None = None, seed: int = 1, **what: object
) -> UpliftResult:
    return measure_uplift(assignments(decisions, **what), events, days=days, seed=seed)


def uplift_of(result: object, arm: str, against: str, metric: str) -> object:
    [found] = [u for u in result.uplifts if (u.arm, u.against, u.metric) == (arm, against, metric)]
    return found


def test_an_effect_is_found_with_its_size() -> None:
    rates = {"empty": 2.0, "popular": 2.0, "personal": 3.0}
    result = measured(*world(1500, rates), days=None, seed=1)
    after = 300 / 348  # of the events lie after the first decision
    found = uplift_of(result, "personal", "empty", "purchases")
    assert found.estimate.low < after < found.estimate.high
    assert found.estimate.low > 0.6
    assert found.relative == pytest.approx(0.5, abs=0.1)
    assert uplift_of(result, "personal", "empty", "spend").estimate.mean == pytest.approx(2 * found.estimate.mean)
    nothing = uplift_of(result, "popular", "empty", "purchases").estimate
    assert nothing.low < 0 < nothing.high
    assert not result.ratio.suspicious
    assert result.ratio.p > 0.01
    assert result.switched == 0


@pytest.mark.slow
def test_intervals_cover_as_often_as_they_say() -> None:
    """Thirty worlds without an effect: at 95 %, four or more misses have a probability of 6 %, seven of 0.06 %."""
    rates = dict.fromkeys(SHARES, 1.0)
    misses = 0
    for seed in range(30):
        result = measured(*world(150, rates, seed=seed), days=None, seed=seed)
        found = uplift_of(result, "personal", "empty", "purchases").estimate
        misses += not found.low <= 0 <= found.high
    assert misses < 7


def test_lost_people_are_noticed() -> None:
    rates = dict.fromkeys(SHARES, 1.0)
    result = measured(*world(1000, rates, lost=0.25), days=None, seed=1)
    assert result.ratio.suspicious
    assert result.ratio.observed["empty"] < 0.9 * result.ratio.expected["empty"]


def test_only_what_lies_within_the_days_counts() -> None:
    decisions, events = world(200, dict.fromkeys(SHARES, 2.0))
    one = measured(decisions, events, days=1, seed=1)
    all_ = measured(decisions, events, days=None, seed=1)
    means = [{f.metric: f.estimate.mean for f in r.arms if f.arm == "personal"}["purchases"] for r in (one, all_)]
    assert 0 < means[0] < means[1] / 5


def test_whoever_changes_arms_counts_for_the_first() -> None:
    decisions, events = world(50, dict.fromkeys(SHARES, 1.0))
    somebody = decisions.filter(pl.col("arm") == "personal")["subject"][0]
    second = pl.col("decision_id").str.ends_with("1") & (pl.col("subject") == somebody)
    moved = decisions.with_columns(pl.when(second).then(pl.lit("empty")).otherwise(pl.col("arm")).alias("arm"))
    before, after = (measured(d, events, days=None, seed=1) for d in (decisions, moved))
    assert after.switched == 1
    assert after.arms == before.arms


def test_without_shares_the_sizes_are_not_checked_and_one_arm_is_not_enough() -> None:
    decisions, events = world(60, dict.fromkeys(SHARES, 1.0))
    result = measured(decisions.drop("arm_share"), events, days=None, seed=1)
    assert (result.ratio.p, result.ratio.suspicious) == (None, False)
    with pytest.raises(ContractError, match="hold one arm only"):
        measured(decisions.filter(pl.col("arm") == "personal"), events, days=None, seed=1)


def tried(rates: dict[str, float], **more: object) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A log in which everybody had a list of their own for ten days, and then a trial began."""
    decisions, events = world(500, rates, shares=TRIED, **more)
    in_trial = decisions.with_columns(
        pl.lit("aaaa1111").alias("trial"),
        pl.when(pl.col("arm") == "challenger").then(pl.lit("other/1")).otherwise(pl.lit("m/1")).alias("model_version"),
    )
    before = in_trial.with_columns(
        pl.col("at") - dt.timedelta(days=10),
        pl.col("decision_id").str.replace("^0", "f"),
        pl.lit(None, pl.String()).alias("trial"),
        pl.lit("p@0").alias("policy_version"),
        pl.when(pl.col("arm") == "empty").then(0.2).otherwise(0.8).alias("arm_share"),
        pl.when(pl.col("arm") == "empty").then(pl.lit("empty")).otherwise(pl.lit("personal")).alias("arm"),
    )
    return pl.concat([before, in_trial]), events


def test_a_trial_is_measured_from_its_beginning() -> None:
    """Everybody was in the arm `personal` before: their first decision in the log would hide the whole effect."""
    result = measured(*tried({"empty": 1.0, "personal": 2.0, "challenger": 3.0}))
    assert (result.trial, result.since) == ("aaaa1111", START)
    assert {arm: list(bundles) for arm, bundles in result.bundles.items()} == {
        "empty": ["m/1"],
        "personal": ["m/1"],
        "challenger": ["other/1"],
    }
    found = uplift_of(result, "challenger", "personal", "purchases")
    assert found.estimate.low < 300 / 348 < found.estimate.high
    assert found.estimate.low > 0.3
    assert result.ratio.p > 0.01
    assert sum(result.ratio.observed.values()) == result.subjects


@pytest.mark.slow
def test_without_an_effect_a_trial_shows_none_and_lost_people_are_noticed() -> None:
    rates = dict.fromkeys(TRIED, 1.0)
    nothing = uplift_of(measured(*tried(rates)), "challenger", "personal", "purchases").estimate
    assert nothing.low < 0 < nothing.high
    for lost in (0.3, 1.0):
        ratio = measured(*tried(rates, lost=lost, loser="challenger")).ratio
        assert ratio.suspicious
        assert ratio.observed["challenger"] < 0.8 * ratio.expected["challenger"]


def test_over_the_whole_log_both_bundles_are_one_arm() -> None:
    decisions, events = tried({"empty": 1.0, "personal": 2.0, "challenger": 2.0})
    result = measured(decisions, events, whole=True)
    assert result.trial is None
    assert set(result.bundles["personal"]) == {"m/1", "other/1"}
    assert {figure.arm for figure in result.arms} == {"empty", "personal"}
    assert (result.switched, result.ratio.suspicious) == (0, False)
    assert result.ratio.expected["personal"] == pytest.approx(0.8 * result.subjects)
    inside = measured(decisions.filter(pl.col("trial").is_not_null()), events, whole=True)
    assert inside.ratio.expected["personal"] == pytest.approx(0.8 * result.subjects)


@pytest.mark.slow
def test_another_trial_is_another_measurement() -> None:
    decisions, events = tried(dict.fromkeys(TRIED, 1.0))
    later = decisions.filter(pl.col("trial").is_not_null()).with_columns(
        pl.col("at") + dt.timedelta(days=5),
        pl.col("decision_id").str.replace("^0", "e"),
        pl.lit("bbbb2222").alias("trial"),
    )
    both = pl.concat([decisions, later])
    assert measured(both, events).trial == "bbbb2222"
    assert assignments(both).others == ("aaaa1111",)
    assert measured(both, events, trial="aaaa1111") == measured(decisions, events)
    with pytest.raises(UsageError, match="no trial"):
        assignments(both, trial="cccc3333")


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    decisions, events = world(300, {"empty": 1.0, "popular": 1.0, "personal": 2.0})
    DECISIONS.write(decisions, tmp_path / "d.parquet")
    EVENTS.write(events, tmp_path / "e.parquet")
    arguments = ("--decisions", tmp_path / "d.parquet", "--events", tmp_path / "e.parquet", "--out", tmp_path / "out")
    done = run("recsys", "uplift", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert "personal" in done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "uplift.json").read_text())
    page = (tmp_path / "out" / "uplift.html").read_text()
    for part in ("What did the offers bring?", "personal against empty", "<svg", "p .", "meant by the policy"):
        assert part in page, part
    assert not re.search(r"(src|href)=|http://(?!www.w3.org)|https://|@import|url\(", page)  # nothing from outside
    assert token(1) not in page
    EVENTS.write(events.with_columns(pl.lit(token("x", domain="partner")).alias("subject")), tmp_path / "e.parquet")
    assert_clear_failure(run("recsys", "uplift", *arguments), "another domain or epoch")
