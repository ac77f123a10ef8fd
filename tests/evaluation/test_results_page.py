"""docs/results.md: what the page says follows from the results that it is given, met or missed."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.chain import ROOT
from support.commands import in_process
from support.market import AS_OF, Market

import benchmarks.results.__main__ as results
from benchmarks.results.__main__ import JOURNEY, MOVIES, fitted, measured, renew
from benchmarks.results.freshness import FRESH_FILE
from benchmarks.results.goals import Measured
from benchmarks.results.page import page
from recsys.bundle import load_bundle
from recsys.cli import app as evaluate
from recsys.contracts.runs import RunModel, Task
from recsys.evaluation.intervals import Estimate
from recsys.evaluation.offers import RULES, OffersResult, RuleFigure
from recsys.evaluation.results import RANKING_FILE, Difference, Figure

pytestmark = pytest.mark.slow  # a fitted bundle

NOTHING = Estimate(0.0, 0.0, 0.0)
BASELINES = ("popularity", "gp-pop", "gp-pop-baskets", "ease", "als")


@pytest.fixture(scope="module")
def work(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder as `make results` leaves it when it is interrupted before freshness: small, but real."""
    folder: Path = tmp_path_factory.mktemp("results")
    journey = folder / JOURNEY.name
    in_process(evaluate, "ranking", *market.judged(out=journey / "report"))
    shutil.copy(market.purchases, journey / "purchases.parquet")
    shutil.copytree(market.bundle, journey / "models" / "recipe")
    shutil.copy(market.trust.with_suffix(""), journey / "signing.key")
    shutil.copy(market.trust, journey / "signing.key.pub")
    return folder


@pytest.fixture(scope="module")
def found(work: Path) -> Measured:
    """What is in it; with settings, which a backtest tells and a bundle's ranking does not."""
    renew(JOURNEY, work)
    data = measured(JOURNEY, work)
    assert data is not None
    told = [msgspec.structs.replace(model, settings={"all": "…"}) for model in data.ranking.run.models]
    run = msgspec.structs.replace(data.ranking.run, models=tuple(told))
    return replace(data, ranking=msgspec.structs.replace(data.ranking, run=run))


def ranked(found: Measured, gains: dict[tuple[Task, str], float], *, width: float = 0.001, worse: str = "") -> Measured:
    """The same with other figures: what the recipe, at .2, gains on a baseline; `worse`: a window where it loses."""
    figures, differences = list[Figure](), list[Difference]()
    for task in ("mixed", "repeat", "novel"):
        for model in (*BASELINES, "recipe"):
            mean = 0.2 if model == "recipe" else 0.2 - gains.get((task, model), 0.1)
            estimate = Estimate(mean, mean - width, mean + width)
            figures.append(
                Figure(window=None, task=task, segment="all", model=model, metric="ndcg", subjects=9, estimate=estimate)
            )
            if model != "recipe":
                differences.append(difference(task, model, gains.get((task, model), 0.1), width))
    if worse:
        differences.append(msgspec.structs.replace(difference("novel", "als", -0.02, width), window=worse))
    models = tuple(
        RunModel(
            name=name,
            role="candidate" if name == "recipe" else "baseline",
            title=name,
            about="…",
            learned=True,
            trials={"recipe": 19, "popularity": 0}.get(name, 12),
            settings={"all": "…"},
        )
        for name in (*BASELINES, "recipe")
    )
    run = msgspec.structs.replace(found.ranking.run, models=models)
    every = [
        msgspec.structs.replace(figure, metric=metric)
        for figure in figures
        for metric in ("ndcg", "recall", "precision", "map", "novelty", "popularity_bias")
    ]
    coverage = tuple(
        msgspec.structs.replace(found.ranking.coverage[0], window=None, task=figure.task, model=figure.model)
        for figure in figures
    )
    result = msgspec.structs.replace(
        found.ranking, run=run, figures=tuple(every), differences=tuple(differences), coverage=coverage
    )
    return Measured(found.title, result, found.fresh, found.remark)


def difference(task: Task, baseline: str, gain: float, width: float) -> Difference:
    sure = abs(gain) > width
    return Difference(
        window=None,
        task=task,
        segment="all",
        baseline=baseline,
        metric="ndcg",
        subjects=9,
        estimate=Estimate(gain, gain - width, gain + width),
        relative=gain / (0.2 - gain),
        p=0.001 if sure else 0.5,
        holm=0.01 if sure else 0.5,
    )


def redeemed(mean: float) -> OffersResult:
    def figure(rule: str) -> RuleFigure:
        estimate = Estimate(mean, mean - 0.02, mean + 0.02)
        return RuleFigure(rule=rule, ndcg=estimate, pooled_minus_this=NOTHING)

    figures = tuple(figure(rule) for rule in RULES)
    counts = {"campaigns": 2, "units": 9, "subjects": 7, "without_history": 0}
    return OffersResult(bundle="made-up/1", k=10, seed=0, figures=figures, **counts)


def row(text: str, start: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start}"))
    return line


def section(text: str, title: str) -> list[str]:
    """The lines after a heading that are not empty."""
    return [line for line in text.partition(f"## {title}\n")[2].partition("\n## ")[0].splitlines() if line]


def test_goals_are_met_or_missed_by_the_figures_of_the_page(found: Measured) -> None:
    good = ranked(found, {("novel", "als"): 0.02, ("mixed", "gp-pop"): 0.005, ("mixed", "gp-pop-baskets"): 0.001})
    text = page(good, good, redeemed(0.48))
    assert row(text, "Complete Journey, mixed").endswith(
        "(gp-pop-baskets): +.0010 [+.0000, +.0020], +.5\u00a0% | **met** |"
    )
    assert row(text, "Complete Journey, novel").endswith("(als): +.0200 [+.0190, +.0210], +11.1\u00a0% | **met** |")
    assert row(text, "a second data set").endswith(
        "worse, by Holm, in 0 of 15 comparisons, windows included | **met** |"
    )
    assert row(text, "redeemed coupons: not below").endswith("| .4800 [.460, .500] | **met** |")
    assert row(text, "redeemed coupons: beat").endswith("| **met** |")


def test_what_is_missed_is_said_to_be(found: Measured) -> None:
    bad = ranked(found, {("novel", "ease"): 0.015, ("mixed", "gp-pop"): 0.0009}, worse="2017-11-27")
    text = page(bad, bad, redeemed(0.451))
    for start in ("Complete Journey, mixed", "Complete Journey, novel", "a second data set", "redeemed coupons: not"):
        assert row(text, start).endswith("| **missed** |"), start
    assert "worse, by Holm, in 1 of 16" in text
    assert row(text, "redeemed coupons: beat").endswith("| **missed** |")


def test_enough_in_the_mean_is_not_enough_with_an_interval_that_holds_zero(found: Measured) -> None:
    wide = ranked(found, {("novel", "als"): 0.02}, width=0.021)
    assert row(page(wide, None, redeemed(0.46)), "Complete Journey, novel").endswith("| **missed** |")
    assert row(page(wide, wide, redeemed(0.46)), "a second data set").endswith("| **met** |")  # nothing significant


def test_what_was_not_measured_is_neither_met_nor_missed(found: Measured) -> None:
    """A bundle's own ranking has no learned baselines."""
    text = page(found, None, redeemed(0.46))
    assert row(text, "Complete Journey, novel").endswith("| not measured |  |")
    assert row(text, "a second data set").endswith("| not measured |  |")


def test_both_bars_and_every_rule_are_told(found: Measured) -> None:
    for mean, floor, beaten in (
        (0.4556, "**met**, by .0036", "**missed**, by .0214"),
        (0.4420, "**missed**, by .0100", "**missed**, by .0350"),
        (0.4770, "**met**, by .0250", "**missed**, by .0000"),
    ):
        lines = section(page(found, None, redeemed(mean)), "Redeemed coupons of Complete Journey")
        assert f"- not below .452: {floor};" in lines
        assert f"- beat .477: {beaten}." in lines
    for rule in ("pooled", "coverage", "largest", "popularity", "random"):
        assert [line for line in lines if line.startswith(f"- *{rule}*: ")], rule
        assert [line for line in lines if re.match(rf"\| \**{rule}\** \|", line)], rule
    assert not [line for line in lines if line.startswith("| model")]


def test_each_one_s_number_of_trials_is_told(found: Measured) -> None:
    text = page(ranked(found, {}), None, redeemed(0.46))
    told = "gp-pop 12; gp-pop-baskets 12; ease 12; als 12; recipe 19. Nothing was chosen for popularity."
    assert f"Settings that were tried before each window: {told}" in text


def test_both_sections_on_movielens_begin_with_what_its_days_are(found: Measured) -> None:
    movies = Measured(MOVIES.title, found.ranking, found.fresh, MOVIES.remark)
    text = page(found, movies, redeemed(0.46))
    for title in (MOVIES.title, f"Fresh item statistics, on and off ({MOVIES.title})"):
        assert section(text, title)[0].startswith("**These days are no real ones.**")
    for title in (JOURNEY.title, f"Fresh item statistics, on and off ({JOURNEY.title})"):
        assert "no real ones" not in "".join(section(text, title))


def test_freshness_is_judged_on_the_windows_of_the_ranking_and_kept(work: Path, found: Measured) -> None:
    assert [figure.window for figure in found.fresh] == [AS_OF, None]
    assert row(page(found, None, redeemed(0.46)), f"{AS_OF} ").count("|") == 6
    kept = work / JOURNEY.name / FRESH_FILE
    before = kept.stat().st_mtime_ns
    renew(JOURNEY, work)
    assert kept.stat().st_mtime_ns == before


def test_where_everything_is_there_only_the_page_is_written(
    work: Path, found: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = tmp_path / "work" / JOURNEY.name
    shutil.copytree(work / JOURNEY.name, journey)
    shutil.copytree(journey / "models" / "recipe", journey / "models" / "coupons")
    (journey / "report" / RANKING_FILE).write_bytes(msgspec.json.encode(found.ranking))
    for folder in ("runs", "coupons"):
        (journey / folder).mkdir()
    (journey / "coupons.parquet").touch()
    (journey / "coupons" / "offers.json").write_bytes(msgspec.json.encode(redeemed(0.46)))
    before = sorted((path, path.stat().st_mtime_ns) for path in journey.rglob("*"))
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(sys, "argv", ["results", "--work", str(tmp_path / "work"), "--note", "A small run."])
    results.main()
    assert (tmp_path / "results.md").read_text() == page(found, None, redeemed(0.46), "A small run.")
    assert sorted((path, path.stat().st_mtime_ns) for path in journey.rglob("*")) == before


def test_a_fit_that_was_interrupted_is_begun_again_and_one_that_is_done_is_left(market: Market, tmp_path: Path) -> None:
    shutil.copy(market.purchases, tmp_path / "purchases.parquet")
    (tmp_path / "models" / "recipe").mkdir(parents=True)  # where a search keeps its trials
    asked = ("--until", str(AS_OF), "--profile", "test", "--level", "item")
    bundle = fitted(tmp_path, "recipe", *asked)
    made = load_bundle(bundle, trust=tmp_path / "signing.key.pub").model_version
    written = sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*"))
    assert made.startswith("recipe/")
    assert fitted(tmp_path, "recipe", *asked) == bundle
    assert sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*")) == written


def test_what_other_commands_measure_is_linked_to_where_it_stands(found: Measured) -> None:
    text = page(found, None, redeemed(0.46))
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", text)
    assert len(links) > 4
    for name, anchor in links:
        headings = re.findall(r"^#+ (.*)$", (ROOT / "docs" / name).read_text(), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, (name, anchor)
