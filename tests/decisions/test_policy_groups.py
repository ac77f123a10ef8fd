"""`recsys-evaluate policy fairness` and `policy leakage`; and that nothing that ranks can read demographics."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.commands import in_process
from support.lab import LabFiles
from support.shop import AS_OF
from support.tokens import token

from recsys.cli import app as evaluate_app
from recsys.contracts.evaluation_sets import DEMOGRAPHICS
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import EMPTY_STATE, State
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import ContractError, UsageError
from recsys.evaluation.inputs import People
from recsys.evaluation.intervals import holm
from recsys.evaluation.policy_lab.groups import read_demographics
from recsys.evaluation.policy_lab.judging import wanted
from recsys.evaluation.policy_lab.variants import bare
from recsys.evaluation.policy_lab.verdicts import count_verdicts
from recsys.evaluation.population import Population
from recsys.evaluation.splits import Window
from recsys.policy import load_policy
from training.cli import app as training_app

pytestmark = pytest.mark.slow  # a fitted bundle


@pytest.fixture(scope="module")
def fair(lab_files: LabFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("fair")
    lab_files.run("fairness", lab_files.policy("fair"), out=out, demographics=lab_files.demographics)
    return out, json.loads((out / "fairness.json").read_text())


@pytest.fixture(scope="module")
def leaked(lab_files: LabFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("leaked")
    lab_files.run("leakage", lab_files.policy("leaky"), out=out, demographics=lab_files.demographics)
    return out, json.loads((out / "leakage.json").read_text())


def shuffled(lab_files: LabFiles, path: Path) -> Path:
    """The same groups, dealt out to other people."""
    rows = DEMOGRAPHICS.read(lab_files.demographics)
    dealt = rows.with_columns(pl.col("group").shuffle(seed=5).over("attribute"))
    assert not dealt.equals(rows)
    DEMOGRAPHICS.write(dealt, path)
    return path


def test_each_group_has_its_means(lab_files: LabFiles, fair: tuple[Path, Any]) -> None:
    _, document = fair
    lab = lab_files.lab()
    book, free = (
        lab.book(load_policy(lab_files.policy("fair"))),
        lab.book(bare(load_policy(lab_files.policy("fair")))),
    )
    lists, counts = lab.lists(book), count_verdicts(lab, book)
    bought = wanted(lab, free, Window(AS_OF, 28), count_verdicts(lab, free).eligible)
    ndcg = dict(zip(bought.rows.tolist(), bought.judge(lists)[:, 0].tolist(), strict=True))
    groups = {(group["attribute"], group["group"]): group for group in document["groups"]}
    labels = read_demographics(lab_files.demographics, lab.population.lineage).labels("drinks", lab.subjects)
    for name in ("0 days", "2+ days"):
        rows = [row for row, label in enumerate(labels) if label == name]
        found = groups["drinks", name]
        assert (found["subjects"], found["judged"]) == (len(rows), sum(row in ndcg for row in rows))
        mean = {key: value["estimate"]["mean"] for key, value in found["figures"].items()}
        assert mean["ndcg"] == pytest.approx(np.mean([ndcg[row] for row in rows if row in ndcg]))
        assert mean["withheld"] == pytest.approx(counts.withheld[rows].mean())
        assert mean["own"] == pytest.approx((lists.personal & (lists.lengths == 5))[rows].mean())
    withheld = groups["drinks", "0 days"]["figures"]["withheld"]
    assert withheld["gap"]["low"] > 0  # who buys no alcohol is offered none: the policy does what it is for
    assert withheld["gap"]["mean"] == pytest.approx(-groups["drinks", "2+ days"]["figures"]["withheld"]["gap"]["mean"])


def test_gaps_are_corrected_for_having_looked_at_all_of_them(fair: tuple[Path, Any]) -> None:
    out, document = fair
    every = [figure for group in document["groups"] for figure in group["figures"].values()]
    assert [one["holm"] for one in every] == pytest.approx(holm(np.array([one["p"] for one in every])).tolist())
    own = [group["figures"]["own"] for group in document["groups"]]
    assert all(one["estimate"]["low"] < one["estimate"]["high"] for one in own)  # though everyone has a full list
    left = sum(one["holm"] < 0.05 for one in every)
    assert 0 < left < len(every)
    assert f"after Holm&#39;s correction for all of them {left} are left" in (out / "fairness.html").read_text()


def test_small_groups_are_not_told_about(fair: tuple[Path, Any]) -> None:
    out, document = fair
    assert document["too_small"] == ["rarity rare"]
    assert all(group["subjects"] >= 20 for group in document["groups"])
    assert "rarity rare" in (out / "fairness.html").read_text()


def test_segments_are_held_against_no_segment(fair: tuple[Path, Any]) -> None:
    _, document = fair
    segments = {one["segments"]: one for one in document["segments"]}
    kinds = [one["kind"] for one in document["segments"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {"none": 1, "interest": 2, "demographic": 3, "personal": 1}
    nobody_s = next(one for one in document["segments"] if one["kind"] == "none")
    assert nobody_s["beyond_gain"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    for one in document["segments"]:
        assert one["beyond_gain"]["mean"] == pytest.approx(one["beyond"]["mean"] - nobody_s["beyond"]["mean"])
    assert segments["drinks"]["number"] == 2


def test_other_groups_other_figures_and_the_very_same_lists(
    lab_files: LabFiles, fair: tuple[Path, Any], tmp_path: Path
) -> None:
    other = shuffled(lab_files, tmp_path / "other.parquet")
    lab_files.run("fairness", lab_files.policy("fair"), out=tmp_path, demographics=other)
    document = json.loads((tmp_path / "fairness.json").read_text())
    assert document["lists"] == fair[1]["lists"]
    assert document["groups"] != fair[1]["groups"]


RANKING = ("decide", "topk", "ranking", "replay", "simulate", "fit")
SLOW = {"ranking", "simulate", "fit"}  # true groups and other groups are enough


def ranked(lab_files: LabFiles, folder: Path, command: str) -> Iterator[bytes]:
    """What a command makes of a release with true groups, with other groups, with rubbish for groups, and with none."""
    release = folder / "release"
    shutil.copytree(lab_files.release, release)
    place = release / "demographics.parquet"
    for change in (None, lambda: shuffled(lab_files, place), lambda: place.write_bytes(b"rubbish"), place.unlink):
        if change is not None:
            change()
        yield made_by(command, lab_files, release, folder / "out")


def made_by(command: str, lab_files: LabFiles, release: Path, out: Path) -> bytes:
    """All that the command writes: nothing of it names a file or a time, but for a manifest, which is left out."""
    shop, policy = lab_files.shop, lab_files.policy("ranks", "[fatigue]\nafter = 2")
    known = ["--purchases", release]
    bundle = ["--bundle", shop.bundle, "--trust", shop.trust, *known, "--as-of", AS_OF]
    files = ["--subjects", shop.file("subjects"), "--catalogue", shop.file("catalogue")]
    lists = [*bundle, *files, "--offers", shop.file("offers")]
    fit = [
        "--models",
        out,
        "--name",
        "n",
        "--signing-key",
        shop.folder / "signing.key",
        "--profile",
        "test",
        "--until",
        AS_OF,
    ]
    words = {
        "decide": ["decide", *lists, "--guards", policy, "--explain", "--out", out / "lists.jsonl"],
        "topk": ["topk", *bundle, "--out", out / "lists.csv"],
        "ranking": ["ranking", *bundle, "--out", out],
        "replay": ["policy", "replay", policy, *lists, "--out", out],
        "simulate": ["policy", "simulate", policy, *lists, "--weeks", 1, "--shoppers", 20, "--out", out],
        "fit": ["fit", *known, *files, *fit],
    }[command]
    app = training_app if command == "fit" else evaluate_app
    shutil.rmtree(out, ignore_errors=True)
    in_process(app, *words)
    made = sorted(
        path for path in out.rglob("*") if path.is_file() and path.name not in {"manifest.json", "manifest.sig"}
    )
    assert made
    return b"".join(path.read_bytes() for path in made if path.suffix != ".md" and path.name != "current")


@pytest.mark.parametrize("command", RANKING)
def test_what_ranks_gives_the_same_bytes_whatever_lies_in_the_demographics(
    lab_files: LabFiles, tmp_path: Path, command: str
) -> None:
    """The release's folder is what these commands are given: the demographics lie in it."""
    made = list(itertools.islice(ranked(lab_files, tmp_path, command), 2 if command in SLOW else 4))
    assert len(made) >= 2
    assert len(set(made)) == 1


@pytest.mark.parametrize("command", ["decide", "replay", "simulate"])
def test_a_path_that_did_read_them_would_be_found_out(
    lab_files: LabFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The test above can fail: here somebody takes consent away from one group."""
    honest = People.read

    def peeking(people: People, *, today: dt.date) -> Population:
        population = honest(people, today=today)
        groups = pl.read_parquet(people.purchases / "demographics.parquet").filter(pl.col("group") == "2+ days")
        silent = dict.fromkeys(groups["subject"], EMPTY_STATE)
        return replace(population, states={**population.states, **silent})

    monkeypatch.setattr(People, "read", peeking)
    made = ranked(lab_files, tmp_path, command)
    assert next(made) != next(made)


def test_no_input_of_a_decision_has_room_for_demographics() -> None:
    """Contracts are strict: what they do not name is refused. And they name no demographics."""
    frame = pl.DataFrame({"subject": [token(1)], "consents": [["profiling"]], "kids_count": ["2"]})
    with pytest.raises(ContractError, match="column 3 is unknown"):
        SUBJECTS.checked(frame, where="subjects")
    named = {column.name for contract in (SUBJECTS, OFFERS) for column in contract.columns} | set(
        State.__struct_fields__
    )
    assert not named & {"age", "income", "kids", "kids_count", "gender", "household_size", "marital_status", "group"}


def test_demographics_of_nobody_here_are_refused(lab_files: LabFiles, tmp_path: Path) -> None:
    rows = pl.DataFrame({"subject": [token("nobody")], "attribute": ["age"], "group": ["65+"]})
    DEMOGRAPHICS.write(rows, tmp_path / "d.parquet")
    for command in ("fairness", "leakage"):
        with pytest.raises(ContractError, match="nobody who agreed to the channel belongs to a group"):
            lab_files.run(command, lab_files.policy("p"), out=tmp_path / "o", demographics=tmp_path / "d.parquet")
    assert not (tmp_path / "o").exists()


def leaks(document: Any, trait: str) -> dict[str, Any]:  # noqa: ANN401 - a decoded document
    return {leak["lists"]: leak for leak in document["leaks"] if leak["trait"] == trait}


def test_a_trait_that_lists_show_is_read_off_them_and_a_coin_is_not(leaked: tuple[Path, Any]) -> None:
    _, document = leaked
    drinks, coin = leaks(document, "drinks"), leaks(document, "coin")
    assert drinks["own list"]["auc"]["low"] > 0.6
    assert drinks["purchase history"]["auc"]["low"] > 0.6
    silent = drinks["own list, never offered"]
    assert silent["auc"]["mean"] < drinks["own list"]["auc"]["mean"]
    assert silent["less"]["mean"] == pytest.approx(drinks["own list"]["auc"]["mean"] - silent["auc"]["mean"])
    assert coin["own list"]["auc"]["low"] < 0.5  # by chance all of it may lie below


def test_popularity_s_list_tells_only_what_guards_withhold(lab_files: LabFiles, tmp_path: Path) -> None:
    """Lists that are long enough hold whatever is allowed: alcohol that may be named goes to those who buy it."""
    guarded = lab_files.policy("guarded")
    named, free = lab_files.folder / "named.toml", lab_files.folder / "free.toml"
    named.write_text(guarded.read_text().replace("[groups.alcohol]", "[groups.alcohol]\nname = true"))
    free.write_text(guarded.read_text().partition("[[only_if_purchased]]")[0])
    popular = {}
    for policy in (guarded, named, free):
        out = tmp_path / policy.stem
        lab_files.run("leakage", policy, out=out, demographics=lab_files.demographics, k=12)
        document = json.loads((out / "leakage.json").read_text())
        popular[policy.stem] = leaks(document, "drinks")["popularity's list"]["auc"]
    assert popular["named"]["low"] > 0.6
    assert popular["guarded"] == popular["free"] == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_whether_something_was_bought_is_guessed_as_well(lab_files: LabFiles, tmp_path: Path) -> None:
    policy = lab_files.policy("bought", '[groups.pasta]\ncategories = ["PASTA"]\narticle9 = "stands for one"')
    lab_files.run("leakage", policy, out=tmp_path, demographics=lab_files.demographics)
    document = json.loads((tmp_path / "leakage.json").read_text())
    traits = {trait["attribute"]: trait for trait in document["traits"]}
    assert set(traits) == {"coin", "drinks", "buys pasta"}
    before = pl.read_parquet(lab_files.release / "purchases.parquet").filter(pl.col("day") < AS_OF)
    buyers = set(before.filter(pl.col("item").str.starts_with("pasta-"))["subject"])
    crowd = [token(number) for number in range(80)]
    assert traits["buys pasta"]["share"] == pytest.approx(sum(subject in buyers for subject in crowd) / 80)
    assert "purchase history" not in leaks(document, "buys pasta")
    with pytest.raises(UsageError, match="Did you mean 'pasta'"):
        lab_files.run("leakage", policy, "--group", "pesta", out=tmp_path, demographics=lab_files.demographics)


def test_what_was_guessed_and_what_lists_are_worth(leaked: tuple[Path, Any]) -> None:
    out, document = leaked
    traits = {trait["attribute"]: trait for trait in document["traits"]}
    assert set(traits) == {"coin", "drinks"}  # three people of a kind are too few to guess
    assert (traits["drinks"]["having"], traits["drinks"]["lacking"]) == (["2+ days"], ["0 days"])
    own = next(one for one in document["variants"] if one["lists"] == "own list")
    assert own["change"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert (out / "leakage.html").read_text().count("<svg") == 1
    assert not [n for n in range(80) if token(n) in (out / "leakage.json").read_text()]


def test_a_bundle_that_was_fitted_without_the_groups(lab_files: LabFiles, tmp_path: Path) -> None:
    """The same bundle stands in for it here: then the lists are the same as with the groups left out of histories."""
    bundle = lab_files.shop.bundle
    policy, groups = lab_files.policy("re"), lab_files.demographics
    lab_files.run("leakage", policy, out=tmp_path, demographics=groups, **{"unlearned-bundle": bundle})
    document = json.loads((tmp_path / "leakage.json").read_text())
    of_drinks = leaks(document, "drinks")
    again = of_drinks["own list, bundle refitted"]
    assert again["auc"] == of_drinks["own list, not learned from"]["auc"]
    assert document["unlearned_bundle"] == document["asked"]["bundle"]
