"""`recsys-evaluate policy simulate`: what must hold of weeks under fatigue and caps."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.chain import POLICY
from support.lab import LabFiles
from support.scripts import script

from recsys.errors import UsageError
from recsys.evaluation.inputs import OpenShop
from recsys.evaluation.policy_lab.judging import METRICS, wanted
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.simulation import Log, Plan, Shoppers, simulate, standing
from recsys.evaluation.policy_lab.verdicts import eligible_pairs
from recsys.evaluation.splits import Window
from recsys.policy import load_policy

pytestmark = pytest.mark.slow  # a fitted bundle

FATIGUE = "[fatigue]\nafter = 2\nrest_days = 3000"
CAP = '[[cap]]\nper = "offer"\nmax = 1\nhours = 168'
PLAN = Plan(weeks=3, sends=4, wear=1.0, repeated_after=2, seed=0)


@pytest.fixture(scope="module")
def lab(lab_files: LabFiles) -> Lab:
    """Twelve people who agreed to e-mail."""
    everyone = lab_files.lab()
    some = [s for s, state in zip(everyone.subjects, everyone.states, strict=True) if state.may_use("email")][:12]
    shop = OpenShop(everyone.shop.scorer, standing(everyone.shop.offers), everyone.shop.catalogue)
    return Lab.of(shop, everyone.population, everyone.question, some)


def sent(lab_files: LabFiles, lab: Lab, arm: str, *rules: str, rate: float = 0.0, **changes: object) -> Log:
    policy = load_policy(lab_files.policy("simulated", *rules))
    everyone = Shoppers(np.full(len(lab.subjects), rate), suiting(lab))
    return simulate(lab, policy, arm, everyone, replace(PLAN, **changes))  # type: ignore[arg-type]  # of a plan


def suiting(lab: Lab) -> NDArray[np.bool_]:
    """Every other offer suits every other shopper."""
    return (np.arange(len(lab.subjects))[:, None] + np.arange(len(lab.shop.offers))) % 2 == 0


def test_without_rules_everyone_is_shown_the_same_again(lab_files: LabFiles, lab: Lab) -> None:
    log = sent(lab_files, lab, "neither", FATIGUE, CAP)
    first = lab.lists(lab.book(load_policy(lab_files.policy("first")))).lengths
    assert log.exposures.tolist() == (first[:, None] * np.full((1, 3), 4.0)).tolist()
    assert log.different.tolist() == first.tolist()
    assert log.repeats.sum(axis=1).tolist() == (first * (12 - 2)).tolist()  # all but the first two showings


def test_what_rests_is_not_shown_again(lab_files: LabFiles, lab: Lab) -> None:
    log = sent(lab_files, lab, "fatigue only", FATIGUE, CAP)
    assert log.repeats.sum() == 0
    assert (log.exposures.sum(axis=1) <= 2 * log.different).all()
    assert (log.different > 5).all()
    assert log.exposures[:, -1].sum() < log.exposures[:, 0].sum()  # what could be shown is worn out


def test_a_cap_holds_in_every_week(lab_files: LabFiles, lab: Lab) -> None:
    log = sent(lab_files, lab, "caps only", FATIGUE, CAP)
    allowed = np.full(len(lab.subjects), 13)
    assert (log.exposures <= allowed[:, None]).all()  # one showing of an offer in any seven days
    assert (log.exposures <= log.different[:, None]).all()
    both = sent(lab_files, lab, "fatigue and caps", FATIGUE, CAP)
    assert both.exposures.sum() <= min(
        log.exposures.sum(), sent(lab_files, lab, "fatigue only", FATIGUE).exposures.sum()
    )


def test_redemptions_are_the_real_rate_where_everything_is_new(lab_files: LabFiles, lab: Lab) -> None:
    log = sent(lab_files, lab, "neither", rate=0.02, weeks=1, sends=1)
    filled = log.exposures.sum(axis=1) / lab.question.count
    assert log.redemptions.sum(axis=1) == pytest.approx(0.02 * filled)
    assert sent(lab_files, lab, "neither", rate=0.0).redemptions.sum() == 0


def test_wear_multiplies_the_chance_of_each_showing_in_a_row(lab_files: LabFiles, lab: Lab) -> None:
    rate = 1e-9  # nobody redeems, so that every row goes on
    log = sent(lab_files, lab, "neither", rate=rate, weeks=1, sends=4, wear=0.5)
    places = log.exposures.sum(axis=1) / 4
    expected = rate / (4 * lab.question.count) * places * (1 + 0.5 + 0.25 + 0.125)
    assert log.redemptions.sum(axis=1) == pytest.approx(expected)


def test_what_was_redeemed_is_redeemed_once(lab_files: LabFiles, lab: Lab) -> None:
    log = sent(lab_files, lab, "neither", rate=4.0 * lab.question.count, weeks=1)  # every showing is redeemed
    assert log.redemptions.sum(axis=1).tolist() == log.different.tolist()
    assert log.repeats.sum(axis=1).tolist() == (log.exposures.sum(axis=1) - log.different).tolist()


def test_showings_that_suit_are_counted(lab_files: LabFiles, lab: Lab) -> None:
    """Without rules everyone is sent the first list again and again; what rests makes way for what suits less."""
    log = sent(lab_files, lab, "neither", FATIGUE, CAP)
    first = lab.lists(lab.book(load_policy(lab_files.policy("first")))).offers
    right = [sum(suiting(lab)[row, offer] for offer in own if offer >= 0) for row, own in enumerate(first.tolist())]
    assert log.right.tolist() == (np.array(right)[:, None] * np.full((1, 3), 4.0)).tolist()
    rested = sent(lab_files, lab, "fatigue only", FATIGUE)
    assert (rested.right <= rested.exposures).all()
    assert rested.right.sum() != log.right.sum()


def test_what_suits_is_what_was_really_bought_afterwards(lab_files: LabFiles, tmp_path: Path) -> None:
    policy, options = lab_files.policy("suits", FATIGUE, CAP), ["--weeks", 1, "--sends", 2, "--shoppers", 1000]
    lab_files.run("simulate", policy, *options, out=tmp_path)
    document = json.loads((tmp_path / "simulation.json").read_text())
    everyone = lab_files.lab()
    some = [s for s, state in zip(everyone.subjects, everyone.states, strict=True) if state.may_use("email")]
    lab = Lab.of(everyone.shop, everyone.population, everyone.question, some)
    book = lab.book(load_policy(policy))
    bought = wanted(lab, book, Window(lab.question.day, 28), eligible_pairs(lab, book))
    lists = lab.lists(book)
    share = bought.judge(lists)[:, METRICS.index("precision")] * lab.question.count / lists.lengths[bought.rows]
    neither = document["arms"][0]["shoppers"]["all"]
    assert document["setting"]["judged"] == len(bought.rows)
    assert neither["right"]["mean"] == pytest.approx(share.mean())
    assert neither["change"]["right"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    lab_files.run("simulate", policy, *options, out=tmp_path, horizon=1, **{"as-of": "2018-06-01"})
    later = json.loads((tmp_path / "simulation.json").read_text())
    assert (later["setting"]["judged"], later["arms"][0]["shoppers"]["all"]["right"]) == (0, None)
    assert "it is not known here" in (tmp_path / "simulation.html").read_text()


def test_the_states_that_were_given_are_left_as_they_were(lab_files: LabFiles, lab: Lab) -> None:
    before = lab.states
    sent(lab_files, lab, "neither", FATIGUE)
    assert lab.states == before
    assert not any(state.exposures for state in lab.states)


def test_the_command_says_what_it_assumed_and_says_the_same_again(lab_files: LabFiles, tmp_path: Path) -> None:
    policy = lab_files.policy("weeks", FATIGUE, CAP)
    for name in ("a", "b"):
        options = ["--weeks", 2, "--sends", 2, "--shoppers", 20]
        lab_files.run("simulate", policy, *options, out=tmp_path / name)
    one, other = tmp_path / "a", tmp_path / "b"
    for name in ("simulation.json", "simulation.html"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    document = json.loads((one / "simulation.json").read_text())
    assert (document["setting"]["weeks"], document["setting"]["shoppers"]) == (2, 20)
    assert [(arm["arm"], arm["wear"]) for arm in document["arms"]] == [
        (arm, wear) for wear in (0.8, 1.0) for arm in ("neither", "caps only", "fatigue only", "fatigue and caps")
    ]
    page = (one / "simulation.html").read_text()
    for assumption in (
        "What was assumed",
        "each keeps their own rate",
        "valid and in stock throughout",
        "nobody tires",
    ):
        assert assumption in page
    assert page.count("<svg") == 4


def test_without_redemptions_there_is_no_rate_to_draw_from(lab_files: LabFiles, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--redemptions: is not given"):
        lab_files.run(
            "simulate", lab_files.policy("none"), out=tmp_path / "o", purchases=lab_files.shop.file("purchases")
        )
    assert not (tmp_path / "o").exists()


def test_every_table_of_the_documentation_is_made_by_a_command(lab_files: LabFiles, tmp_path: Path) -> None:
    measuring = script("measure_policies")
    policy, other = lab_files.policy("doc", FATIGUE), lab_files.policy("doc-other", "[[diversity]]\nmax = 2\ndepth = 1")
    groups = {"demographics": lab_files.demographics, "out": tmp_path}
    lab_files.run("replay", policy, "--against", other, out=tmp_path)
    lab_files.run("fairness", policy, **groups)
    lab_files.run("leakage", policy, **groups)
    lab_files.run("simulate", policy, "--weeks", 1, "--sends", 1, "--shoppers", 10, out=tmp_path)
    page = measuring.PAGE.read_text()
    names = re.findall(r"<!-- table: ([a-z-]+) -->", page)
    assert len(names) == len(set(names)) > 10
    made = measuring.with_tables(page, tmp_path)
    assert made != page
    for text in (page, made):
        for name in names:
            block = text.partition(f"<!-- table: {name} -->")[2].partition("<!-- end -->")[0]
            empty = (
                text is page and block.strip() == measuring.NO_ROWS.strip()
            )  # a report leaves out a table without rows
            assert block.count("\n|") >= 3 or empty, name
    assert re.sub(r"(?s)-->.*?<!-- end", "", made) == re.sub(r"(?s)-->.*?<!-- end", "", page)


def test_the_policies_that_are_measured_differ_from_the_example_by_what_they_say(tmp_path: Path) -> None:
    measuring, plain = script("measure_policies"), load_policy(POLICY)
    (tmp_path / "stricter.toml").write_text(measuring.three_days_of_alcohol(POLICY.read_text()))
    stricter = load_policy(tmp_path / "stricter.toml")
    rules = zip(plain.only_if_purchased, stricter.only_if_purchased, strict=True)
    assert [(a.groups, a.min_days, b.min_days) for a, b in rules if a != b] == [(("alcohol",), 2, 3)]
    (tmp_path / "quiet.toml").write_text(measuring.nothing_learned(POLICY.read_text()))
    quiet = load_policy(tmp_path / "quiet.toml")
    assert set(quiet.unlearned) == set(plain.groups) > set(plain.unlearned)
