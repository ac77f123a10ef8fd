"""What `ranking` writes and says of one bundle: every figure, the page, the screen, and the same again."""

from __future__ import annotations

import datetime as dt
import html.parser
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import judging
from support.commands import in_process, no_leftovers, run
from support.market import AS_OF, Market

from recsys.bundle import Bundle, load_bundle
from recsys.cli import app
from recsys.contracts.purchases import PURCHASES
from recsys.files import sha256_of
from recsys.history import ItemIndex, day_number, histories
from recsys.scorer import Scorer

pytestmark = pytest.mark.slow  # a fitted bundle

HORIZON = 28
END = AS_OF + dt.timedelta(days=HORIZON)
Document = dict[str, object]


def ranking(*arguments: str) -> None:
    """The command in this process: its errors are raised as they are."""
    in_process(app, "ranking", *arguments)


@pytest.fixture(scope="module")
def judged(market: Market, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Document, str]:
    """The folder that the command wrote, the document on standard output, and what a person read."""
    out = tmp_path_factory.mktemp("judged") / "report"
    done = run("recsys", "ranking", *market.judged(out=out), "--horizon", HORIZON, "--seed", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return out, json.loads(done.stdout), done.stderr


def scored_by(bundle: Bundle, market: Market, subjects: list[str]) -> dict[str, dict[str, float]]:
    """What the scorer says of each subject's history before the day."""
    scorer = Scorer(bundle)  # its own statistics are as of the window's first day
    index = ItemIndex.of(market.lines["item"].unique().sort())
    known = histories(market.lines, index, until=AS_OF, subjects=subjects)
    folded = scorer.fold(known, scorer.codes(index), as_of=day_number(AS_OF))
    scores = scorer.score(folded, np.arange(len(bundle.vocabulary)))
    names = bundle.vocabulary.names
    return {subject: dict(zip(names, row.tolist(), strict=True)) for subject, row in zip(subjects, scores, strict=True)}


def expected_means(bundle: Bundle, market: Market) -> dict[tuple[str, str, str], float]:
    """Each figure by task, model and metric, in plain loops."""
    items = list(bundle.vocabulary.names)
    everyone = judging.people(market.lines, market.types, set(items), AS_OF, END)
    able = judging.judged(everyone)
    popular, own = judging.popularity(everyone, items), judging.own_frequency(everyone, items)
    personal = scored_by(bundle, market, list(able))
    values: dict[tuple[str, str, str], list[float]] = {}
    for subject, person in able.items():
        models = {"popularity": popular, "own-frequency": own(person), "bundle": personal[subject]}
        never = set(items) - set(person.before)
        for task, hidden in (("mixed", set()), ("repeat", never), ("novel", set(person.before))):
            if wanted := person.wanted - hidden:
                for model, scores in models.items():
                    for metric, value in judging.metrics(scores, wanted, hidden).items():
                        values.setdefault((task, model, metric), []).append(value)
    return {key: sum(of_key) / len(of_key) for key, of_key in values.items()}


def means(document: Document) -> dict[tuple[str, str, str], float]:
    """Of everyone with a history, over the windows."""
    return {
        (f["task"], f["model"], f["metric"]): f["estimate"]["mean"]
        for f in document["figures"]
        if (f["window"], f["segment"]) == (None, "all")
    }


def test_every_figure_is_what_plain_loops_find(market: Market, judged: tuple[Path, Document, str]) -> None:
    _, document, _ = judged
    found = means(document)
    expected = expected_means(load_bundle(market.bundle, trust=market.trust), market)
    assert len(expected) == 3 * 3 * 4
    assert {key: found[key] for key in expected} == {key: pytest.approx(v, abs=1e-9) for key, v in expected.items()}


def test_differences_are_paired_and_belong_to_a_baseline(judged: tuple[Path, Document, str]) -> None:
    _, document, _ = judged
    found = means(document)
    whole = [d for d in document["differences"] if (d["window"], d["segment"]) == (None, "all")]
    assert len(whole) == 3 * 5 * 6
    for difference in whole:
        own = found[difference["task"], "bundle", difference["metric"]]
        baseline = found[difference["task"], difference["baseline"], difference["metric"]]
        assert difference["estimate"]["mean"] == pytest.approx(own - baseline)
        assert difference["estimate"]["low"] - 1e-9 <= own - baseline <= difference["estimate"]["high"] + 1e-9
        assert 0 < difference["p"] <= difference["holm"] <= 1


def test_one_window_is_its_own_mean(judged: tuple[Path, Document, str]) -> None:
    figures = judged[1]["figures"]
    windows = [{**f, "window": None} for f in figures if f["window"] == "2017-11-27"]
    assert windows == [f for f in figures if f["window"] is None]


def test_thirds_by_history_share_out_the_subjects(judged: tuple[Path, Document, str]) -> None:
    _, document, _ = judged
    for task in ("mixed", "repeat"):  # on novel things too few of a third can be judged
        of_task = {
            f["segment"]: f
            for f in document["figures"]
            if (f["window"], f["task"], f["model"], f["metric"]) == (None, task, "bundle", "ndcg")
        }
        thirds = [of_task[name] for name in ("short", "middle", "long")]
        subjects = of_task["all"]["subjects"]
        assert sum(third["subjects"] for third in thirds) == subjects
        mean = sum(third["subjects"] * third["estimate"]["mean"] for third in thirds) / subjects
        assert mean == pytest.approx(of_task["all"]["estimate"]["mean"])
        assert of_task["rare"]["subjects"] <= subjects


def test_new_customers_are_judged_with_what_they_would_be_shown(
    market: Market, judged: tuple[Path, Document, str]
) -> None:
    """Nobody knows them: what sells these days. Never an empty list, which no customer is sent."""
    bundle = load_bundle(market.bundle, trust=market.trust)
    items = list(bundle.vocabulary.names)
    everyone = judging.people(market.lines, market.types, set(items), AS_OF, END)
    sells = {
        item: sum(0.5 ** ((AS_OF - day).days / 30) for who in everyone.values() for day in who.before.get(item, ()))
        for item, buyers in judging.popularity(everyone, items).items()
        if buyers >= bundle.manifest.min_buyers
    }
    new = [person for person in everyone.values() if person.wanted and not person.before]
    (told,) = (
        figure
        for figure in judged[1]["figures"]
        if (figure["window"], figure["task"], figure["segment"], figure["model"]) == (None, "mixed", "new", "bundle")
    )
    expected = sum(judging.metrics(sells, person.wanted, set())["ndcg"] for person in new) / len(new)
    assert told["subjects"] == len(new)
    assert told["estimate"]["mean"] == pytest.approx(expected)
    assert expected > 0


def test_baselines_chose_their_settings_before_the_window(
    market: Market, judged: tuple[Path, Document, str], tmp_path: Path
) -> None:
    models = {model["name"]: model for model in judged[1]["run"]["models"]}
    assert [model["role"] for model in models.values()] == ["baseline"] * 5 + ["candidate"]
    assert set(models["gp-pop"]["settings"]) == {f"2017-11-27 {task}" for task in ("mixed", "repeat", "novel")}
    assert models["popularity"]["settings"] == {}
    inside = pl.col("day") >= AS_OF
    shuffled = market.lines.with_columns(item=pl.when(inside).then(pl.col("item").shuffle(seed=1)).otherwise("item"))
    PURCHASES.write(shuffled, tmp_path / "shuffled.parquet")
    ranking(*market.judged(out=tmp_path, purchases=tmp_path / "shuffled.parquet"), "--seed", "3")
    other = json.loads((tmp_path / "ranking.json").read_text())
    assert other["run"]["models"] == judged[1]["run"]["models"]
    assert means(other) != means(judged[1])


def test_the_document_says_what_was_judged_on_what(market: Market, judged: tuple[Path, Document, str]) -> None:
    out, document, _ = judged
    assert json.loads((out / "ranking.json").read_text()) == document
    bundle = load_bundle(market.bundle, trust=market.trust)
    assert (document["contract"], document["run"]["candidate"]) == ("ranking/3", bundle.model_version)
    assert document["run"]["bundle"] == sha256_of(bundle.path / "manifest.json")
    (window,) = document["windows"]
    assert window["window"] == {"name": "2017-11-27", "as_of": "2017-11-27", "horizon": HORIZON}
    assert window["items"] == len(bundle.vocabulary)
    purchases = document["purchases"]
    assert purchases["lines"] == len(market.lines)
    assert (purchases["domain"], purchases["consent"]) == ("rec", "assumed")
    assert window["new_subjects"] == sum(
        bool(person.wanted) and not person.before
        for person in judging.people(market.lines, market.types, known_types(market), AS_OF, END).values()
    )
    unknown = market.lines.filter(pl.col("day").is_between(AS_OF, END, closed="left"))["item"].unique().to_list()
    assert window["unknown_items"] == len([i for i in unknown if market.types.get(i) not in known_types(market)])


def known_types(market: Market) -> set[str]:
    return set(load_bundle(market.bundle, trust=market.trust).vocabulary.names)


def test_a_person_reads_a_table_and_where_the_page_is(judged: tuple[Path, Document, str]) -> None:
    out, document, screen = judged
    for text in (
        "mixed: everything they bought",
        "gp-pop",
        "popularity",
        "NDCG@10",
        "This is one window",
        str(out / "ranking.html"),
    ):
        assert text in screen
    assert f"{document['figures'][0]['estimate']['mean']:.4f}".removeprefix("0") in screen


class Reader(html.parser.HTMLParser):
    """Collects what a page refers to, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        self.labels += [value or "" for name, value in attrs if (name, tag) == ("aria-label", "div")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_the_page_needs_nothing_but_itself(judged: tuple[Path, Document, str]) -> None:
    page = read_page(judged[0] / "ranking.html")
    assert page.references == []
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert page.tags.count("svg") == 4 * 3


def test_the_page_says_what_the_document_says(judged: tuple[Path, Document, str]) -> None:
    out, document, _ = judged
    page = read_page(out / "ranking.html")
    for (_, _, metric), mean in means(document).items():
        if metric != "popularity_bias":
            assert f"{mean:.4f}".removeprefix("0") in page.text
    assert document["run"]["candidate"] in page.text
    assert document["purchases"]["fingerprint"] in page.text
    assert "This is one window:" in page.text
    assert "Only 56 subjects could be judged" in page.text
    plots = [label for label in page.labels if "NDCG@10" in label]
    assert len(plots) == 4
    assert f"{document['figures'][0]['estimate']['mean']:.3f}" in plots[0]


def test_no_token_is_in_what_is_written(market: Market, judged: tuple[Path, Document, str]) -> None:
    out, _, screen = judged
    written = screen + "".join(path.read_text() for path in out.iterdir())
    assert not [subject for subject in market.lines["subject"].unique() if subject in written]


def test_running_again_into_the_same_folder_gives_the_same_bytes(
    market: Market, judged: tuple[Path, Document, str], tmp_path: Path
) -> None:
    again = tmp_path / "report"
    shutil.copytree(judged[0], again)
    (again / "ranking.json").write_text("{}")
    ranking(*market.judged(out=again), "--seed", "3")
    for path in judged[0].iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()
    assert no_leftovers(again)


def test_another_seed_moves_intervals_and_no_mean(
    market: Market, judged: tuple[Path, Document, str], tmp_path: Path
) -> None:
    ranking(*market.judged(out=tmp_path), "--seed", "4")
    other = json.loads((tmp_path / "ranking.json").read_text())
    for mine, its in zip(judged[1]["figures"], other["figures"], strict=True):
        assert mine["estimate"]["mean"] == its["estimate"]["mean"]
    assert [f["estimate"]["low"] for f in judged[1]["figures"]] != [f["estimate"]["low"] for f in other["figures"]]
