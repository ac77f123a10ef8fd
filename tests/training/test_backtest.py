"""Backtests: nothing looks ahead, whoever did not agree is in no list, and whoever has the lists can judge them."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import judging
from support.commands import in_process, no_leftovers, run
from support.market import purchases_of
from support.oracle import net_days
from support.tastes import Train
from support.tokens import token

from recsys.cli import app as evaluate
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.runs import SplitKind
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import ContractError
from recsys.evaluation.contenders import NOTHING, Contender, choose
from recsys.evaluation.runs import RunSet, read_runs
from recsys.evaluation.splits import Window, compact, split_at
from recsys.history import ItemIndex
from training.backtest.learned import MOST_ITEMS, counts_of, learned
from training.backtest.rolling import Rolling
from training.profiles import EFFORTS, Profile

FIRST = dt.date(2017, 7, 10)
REFUSED = [token(number) for number in range(0, 70, 7)]
MODELS = {
    *("popularity", "recent-popularity", "own-frequency", "gp-pop", "gp-pop-baskets"),
    *("item-knn", "ease", "als", "recipe"),
}
Made = tuple[Path, pl.DataFrame]


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return purchases_of(np.random.default_rng(7))


def options(folder: Path, lines: pl.DataFrame, **changed: object) -> list[object]:
    folder.mkdir(exist_ok=True)
    PURCHASES.write(lines, folder / "purchases.parquet")
    given = {
        "purchases": folder / "purchases.parquet",
        "windows": 2,
        "horizon": 21,
        "profile": "test",
        "trials": 3,
        "out": folder / "runs",
    }
    return ["backtest", *(text for name, value in (given | changed).items() for text in (f"--{name}", value))]


@pytest.fixture(scope="module")
def made(lines: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real command in a process of its own, with a subjects file; the folder that it worked in."""
    folder: Path = tmp_path_factory.mktemp("backtest")
    agreed = sorted(set(lines["subject"].unique()) - set(REFUSED))
    SUBJECTS.write(pl.DataFrame({"subject": agreed, "consents": [["training"]] * len(agreed)}), folder / "who.parquet")
    done = run("training", *options(folder, lines, subjects=folder / "who.parquet"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contract"] == "runs/1"
    return folder


@pytest.mark.slow
def test_every_model_lists_for_every_window_and_task(made: Path, lines: pl.DataFrame) -> None:
    runs = read_runs(made / "runs")
    assert {model.name for model in runs.manifest.models} == MODELS
    names = [window.name for window in runs.manifest.windows]
    assert len(names) == 2
    assert runs.manifest.windows[1].as_of + dt.timedelta(days=20) == lines["day"].max()
    listed = runs.lists.group_by("model", "window", "task").len()
    assert len(listed) == len(MODELS) * 2 * 3
    assert not set(runs.lists["subject"].unique()) & set(REFUSED)
    assert runs.lists["rank"].max() <= 10
    before = lines.filter(pl.col("quantity") > 0).select("subject", "item", "day")
    for window in runs.manifest.windows:
        bought = before.filter(pl.col("day") < window.as_of).select("subject", "item").unique()
        own = runs.lists.filter(pl.col("window") == window.name)
        novel = own.filter(pl.col("task") == "novel").join(bought, on=["subject", "item"])
        assert len(novel) <= 0.02 * len(own)  # only what was bought and returned
        repeated = own.filter(pl.col("task") == "repeat").join(bought, on=["subject", "item"], how="anti")
        assert repeated.is_empty()
        sold = before.filter(pl.col("day") < window.as_of)["item"].unique()
        assert own["item"].is_in(sold.to_list()).all()


@pytest.mark.slow
def test_the_lists_can_be_judged_by_whoever_has_them(made: Path, tmp_path: Path) -> None:
    asked = ("--runs", made / "runs", "--purchases", made / "purchases.parquet", "--out", tmp_path, "--json")
    done = run("recsys", "ranking", *asked)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["windows"]) == 2
    assert {f["window"] for f in document["figures"]} == {None, *(w["window"]["name"] for w in document["windows"])}
    assert "window by window" in done.stderr
    page = (tmp_path / "ranking.html").read_text()
    assert "This is one window" not in page
    assert not [subject for subject in read_runs(made / "runs").lists["subject"].unique() if subject in page]


@pytest.mark.slow
def test_what_happens_in_the_last_window_changes_no_list(lines: pl.DataFrame, tmp_path: Path, train: Train) -> None:
    """The same people buy other things in it and return others: settings, factors and lists are the same to the bit."""
    start = lines["day"].max() - dt.timedelta(days=20)
    shuffled = lines.with_columns(
        item=pl.when(pl.col("day") >= start).then(pl.col("item").shuffle(seed=3)).otherwise("item")
    )
    runs = []
    for name, given in (("as-it-was", lines), ("otherwise", shuffled)):
        done = train(*options(tmp_path / name, given, trials=2))
        assert done.returncode == 0, done.stderr
        runs.append(read_runs(tmp_path / name / "runs"))
    one, other = runs
    assert one.manifest.purchases != other.manifest.purchases
    assert one.manifest.models == other.manifest.models
    assert one.vocabularies.equals(other.vocabularies)
    assert one.lists.equals(other.lists)


@pytest.mark.slow
def test_last_baskets_are_listed_for_with_what_came_before_them(
    lines: pl.DataFrame, tmp_path: Path, train: Train
) -> None:
    done = train(*options(tmp_path / "last", lines, split="last-basket", windows=1, trials=1))
    assert done.returncode == 0, done.stderr
    runs = read_runs(tmp_path / "last" / "runs")
    assert runs.manifest.split is SplitKind.LAST_BASKET
    assert {model.name: model.trials for model in runs.manifest.models}["gp-pop"] == 1
    asked = ["ranking", "--runs", tmp_path / "last" / "runs", "--purchases", tmp_path / "last" / "purchases.parquet"]
    in_process(evaluate, *asked, "--out", tmp_path)
    document = json.loads((tmp_path / "ranking.json").read_text())
    assert document["run"]["split"] == "last-basket"
    assert "last basket in the window" in (tmp_path / "ranking.html").read_text()
    for model in ("recipe", "gp-pop"):
        (told,) = (
            (f["subjects"], f["estimate"]["mean"])
            for f in document["figures"]
            if (f["window"], f["task"], f["segment"], f["model"], f["metric"]) == (None, "mixed", "all", model, "ndcg")
        )
        values = last_basket_ndcg(runs, lines, model)
        assert told == (len(values), pytest.approx(sum(values) / len(values)))


@pytest.mark.slow
def test_the_recipe_searches_as_its_profile_says_whatever_the_baselines_may_try(
    lines: pl.DataFrame, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EFFORTS, Profile.TEST, replace(EFFORTS[Profile.TEST], trials=3))
    done = train(*options(tmp_path / "more", lines, windows=1, trials=2))
    assert done.returncode == 0, done.stderr
    tried = {model.name: model.trials for model in read_runs(tmp_path / "more" / "runs").manifest.models}
    assert tried["recipe"] == 3
    assert {name: tried[name] for name in ("gp-pop", "ease", "als")} == {"gp-pop": 2, "ease": 2, "als": 2}


def last_basket_ndcg(runs: RunSet, lines: pl.DataFrame, model: str) -> list[float]:
    """Of everyone with a history, in plain loops: what they bought on their last day in the window, against a list."""
    (window,) = runs.manifest.windows
    known, values = set(runs.vocabulary(window).names), []
    end = window.as_of + dt.timedelta(days=window.horizon)
    listed = runs.lists.filter(pl.col("model") == model, pl.col("task") == "mixed").sort("rank")
    asked = set(runs.lists["subject"])
    for (subject,), rows in lines.filter(pl.col("day") < end).group_by("subject"):
        own = tuple(rows.select("item", "day", "quantity").iter_rows())
        inside = {(item, day) for item, day in net_days(own) if day >= window.as_of and item in known}
        last = max((day for _, day in inside), default=None)
        wanted = {item for item, day in inside if day == last}
        before = net_days(tuple(line for line in own if last is not None and line[1] < last))
        if subject in asked and {item for item, _ in before} & known:
            scores = listed.filter(pl.col("subject") == subject).select("item", -pl.col("rank")).iter_rows()
            values.append(judging.metrics({item: float(score) for item, score in scores}, wanted, set())["ndcg"])
    return values


@pytest.mark.slow
def test_what_cannot_be_run_is_said_before_any_work(lines: pl.DataFrame, tmp_path: Path, train: Train) -> None:
    for changed, message in (
        ({"windows": 9}, "Ask for fewer --windows"),
        ({"as-of": "2020-01-01"}, "nothing was bought on 2020-01-01 or later"),
    ):
        done = train(*options(tmp_path / "wrong", lines, **changed))
        assert done.returncode == 1
        assert message in done.stderr
    (tmp_path / "wrong" / "runs").mkdir()
    (tmp_path / "wrong" / "runs" / "mine").write_text("mine")
    done = train(*options(tmp_path / "wrong", lines))
    assert (done.returncode, "not an empty folder" in done.stderr) == (1, True)
    assert no_leftovers(tmp_path)


def test_windows_follow_each_other_and_end_with_the_data() -> None:
    last = FIRST + dt.timedelta(days=199)
    windows = Rolling(horizon=28, windows=5).over(FIRST, last)
    starts = [window.as_of for window in windows]
    assert [(b - a).days for a, b in itertools.pairwise(starts)] == [28] * 4
    assert starts[-1] + dt.timedelta(days=27) == last
    assert Rolling(horizon=28, windows=1, as_of=last).over(FIRST, last)[0].as_of == last
    with pytest.raises(ContractError, match="the purchases begin on"):
        Rolling(horizon=28, windows=6).over(FIRST, last)


def reference(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Scores of `own` from `everyone`, both dense counts, by the textbook."""

    def ease(everyone: np.ndarray, own: np.ndarray) -> np.ndarray:
        weighed = np.log1p(everyone)
        inverse = np.linalg.inv(weighed.T @ weighed + 500 * np.eye(everyone.shape[1]))
        weights = np.array(
            [[0 if i == j else -p / inverse[j, j] for j, p in enumerate(row)] for i, row in enumerate(inverse)]
        )
        return np.log1p(own) @ weights

    def knn(everyone: np.ndarray, own: np.ndarray) -> np.ndarray:
        weighed = np.log1p(everyone)
        norms = np.linalg.norm(weighed, axis=0)
        near = weighed.T @ weighed / (norms[:, None] * norms + 10)
        return np.log1p(own) @ (near - np.diag(np.diag(near)))  # fewer items than neighbours: all are near

    return {"ease": ease, "item-knn": knn}[name]


def test_learned_baselines_score_by_the_textbook_from_what_came_before(lines: pl.DataFrame) -> None:
    known = lines.filter(pl.col("quantity") > 0)
    index = ItemIndex.of(known["item"].unique().sort())
    window = Window(dt.date(2017, 11, 27), 28)
    codes = np.arange(len(index), dtype=np.int32)
    split = split_at(compact(known), window, index, codes, items=len(index))
    rows = slice(0, len(split.judged))
    everyone, own = (counts_of(given, split.items).toarray() for given in (split.everyone, split.judged))
    for contender in learned(split.items, seed=0):
        scores = contender.scores(split, contender.settings[0])(rows)
        assert np.isfinite(scores).all()
        if contender.name != "als":
            assert scores == pytest.approx(reference(contender.name)(everyone, own), rel=1e-4, abs=1e-6)
        assert len(set(map(str, contender.settings))) == len(contender.settings) >= 12
    assert [contender.name for contender in learned(MOST_ITEMS + 1, seed=0)] == ["als"]
    chosen = choose(_cheater(), split, k=10)
    assert set(chosen.values()) == {1.0}  # of two settings the one that does better


def _cheater() -> Contender:
    """Ranks by what is to be found, times its setting."""
    return Contender(
        "cheater",
        "…",
        "…",
        learned=False,
        settings=(-1.0, 1.0),
        scores=lambda split, setting: lambda rows: setting * split.relevant(rows),
    )


def test_nothing_to_choose_is_not_tried(lines: pl.DataFrame) -> None:
    index = ItemIndex.of(lines["item"].unique().sort())
    codes = np.arange(len(index), dtype=np.int32)
    split = split_at(compact(lines), Window(dt.date(2017, 11, 27), 28), index, codes, items=len(index))

    def never(*_: object) -> None:
        raise AssertionError("asked for scores")

    fixed = Contender("fixed", "…", "…", learned=False, settings=NOTHING, scores=never)  # type: ignore[arg-type] # it is never called
    assert set(choose(fixed, split, k=10).values()) == {""}
