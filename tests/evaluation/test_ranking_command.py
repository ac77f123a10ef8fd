from __future__ import annotations

import datetime as dt
import html.parser
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import judging
from support.commands import assert_clear_failure, in_process, no_leftovers, run
from support.market import AS_OF, Market
from support.tokens import token

from recsys.bundle import Bundle, load_bundle
from recsys.cli import app
from recsys.contracts.purchases import PURCHASES
from recsys.errors import RecsysError, TokenError, UsageError
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


def test_a_bundle_that_has_seen_the_window_is_refused(market: Market, tmp_path: Path) -> None:
    early = AS_OF - dt.timedelta(days=1)
    out = tmp_path / "report"
    done = run("recsys", "ranking", *market.judged(out=out, **{"as-of": early}))
    assert_clear_failure(done, "training window reaches into", "2017-11-27", "--until 2017-11-26")
    assert not out.exists()


def test_a_later_day_may_be_judged(market: Market, tmp_path: Path) -> None:
    ranking(*market.judged(out=tmp_path, **{"as-of": AS_OF + dt.timedelta(days=7)}), "--horizon", "14")
    assert json.loads((tmp_path / "ranking.json").read_text())["windows"][0]["days_covered"] == 14


def test_purchases_that_end_within_the_window_are_judged_with_a_warning(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.parquet"
    PURCHASES.write(market.lines.filter(pl.col("day") < AS_OF + dt.timedelta(days=10)), cut)
    ranking(*market.judged(out=tmp_path, purchases=cut))
    assert "they cover 10 of the 28 days" in capsys.readouterr().err
    assert "they cover 10 of the 28 days" in (tmp_path / "ranking.html").read_text()


def test_a_window_full_of_items_the_bundle_does_not_know_is_judged_with_a_warning(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = (pl.col("day") >= AS_OF) & pl.col("item").str.ends_with("-a")
    renamed = market.lines.with_columns(item=pl.when(strange).then(pl.lit("strange")).otherwise("item"))
    PURCHASES.write(renamed, tmp_path / "renamed.parquet")
    ranking(*market.judged(out=tmp_path, purchases=tmp_path / "renamed.parquet"))
    share = json.loads((tmp_path / "ranking.json").read_text())["windows"][0]["unknown_share"]
    assert 0.3 < share < 0.7
    assert f"do not know {100 * share:.0f}" in capsys.readouterr().err


def test_a_task_that_nobody_can_be_judged_on_is_left_out(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = market.lines.filter(pl.col("day") < AS_OF, pl.col("quantity") > 0)
    returned = before.with_columns(day=pl.lit(AS_OF))  # in the window everyone buys what they know, and only that
    PURCHASES.write(pl.concat([before, returned]), tmp_path / "habit.parquet")
    ranking(*market.judged(out=tmp_path, purchases=tmp_path / "habit.parquet"))
    document = json.loads((tmp_path / "ranking.json").read_text())
    assert {figure["task"] for figure in document["figures"]} == {"mixed", "repeat"}
    assert "Too few could be judged on “something new to them”" in capsys.readouterr().err
    assert read_page(tmp_path / "ranking.html").tags.count("svg") == 4 * 2


def test_tokens_of_another_domain_are_refused(market: Market, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    PURCHASES.write(
        market.lines.with_columns(pl.col("subject").str.replace("s1.rec.", "s1.shop.", literal=True)), foreign
    )
    with pytest.raises(TokenError, match="domain 'shop', and the bundle was learned from those of 'rec'"):
        ranking(*market.judged(out=tmp_path, purchases=foreign))
    assert not (tmp_path / "ranking.json").exists()


BROKEN: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "two domains": (
        lambda lines: pl.concat([lines, lines.head(1).with_columns(subject=pl.lit(token("x", domain="shop")))]),
        "tokens of 2 domains or epochs",
    ),
    "a misspelt column": (lambda lines: lines.rename({"item": "itm"}), "Rename column 'itm'"),
    "a name in a token's place": (
        lambda lines: lines.with_columns(subject=pl.lit("Anna Berg")),
        "row 1, column 'subject'",
    ),
    "nothing before the day": (
        lambda lines: lines.filter(pl.col("day") >= AS_OF),
        "nothing that the bundle knows was bought before 2017-11-27",
    ),
    "nothing in the window": (
        lambda lines: lines.filter(pl.col("day") < AS_OF),
        "nobody with a history bought anything that the bundle knows",
    ),
    "only items the bundle does not know": (
        lambda lines: lines.with_columns(item=pl.lit("new")),
        "nothing that the bundle knows",
    ),
    "a day to come": (lambda lines: lines.with_columns(day=pl.lit(dt.date(2999, 1, 1))), "lies in the future"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_purchases_that_cannot_be_judged(market: Market, tmp_path: Path, name: str) -> None:
    change, message = BROKEN[name]
    change(market.lines).write_parquet(tmp_path / "broken.parquet")
    out = tmp_path / "report"
    with pytest.raises(RecsysError, match=r"broken|purchases") as failed:
        ranking(*market.judged(out=out, purchases=tmp_path / "broken.parquet"))
    assert message in str(failed.value)
    assert "Anna" not in str(failed.value)
    assert not out.exists()


def test_a_table_cut_off_half_way_is_refused(market: Market, tmp_path: Path) -> None:
    (tmp_path / "cut.parquet").write_bytes(market.purchases.read_bytes()[:2000])
    with pytest.raises(RecsysError, match="cut off"):
        ranking(*market.judged(out=tmp_path / "report", purchases=tmp_path / "cut.parquet"))


def test_a_bundle_with_one_byte_changed_is_refused(market: Market, tmp_path: Path) -> None:
    copied = tmp_path / "models" / "small"
    shutil.copytree(market.bundle, copied)
    (graph,) = copied.rglob("model.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(RecsysError, match="changed after it was signed"):
        ranking(*market.judged(out=tmp_path / "report", bundle=copied))


@pytest.mark.parametrize(("day", "message"), [("27.11.2017", "is not a date"), ("9999-12-31", "lies in the future")])
def test_a_day_that_cannot_be_judged_is_a_wrong_call(market: Market, tmp_path: Path, day: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--as-of: {message}"):
        ranking(*market.judged(out=tmp_path, **{"as-of": day}))


def test_an_output_that_is_a_file_is_left_as_it_was(market: Market, tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.write_text("mine")
    with pytest.raises(RecsysError, match="cannot be written"):
        ranking(*market.judged(out=out))
    assert out.read_text() == "mine"
    assert no_leftovers(tmp_path)


def test_last_baskets_may_be_judged(market: Market, tmp_path: Path) -> None:
    ranking(*market.judged(out=tmp_path), "--split", "last-basket")
    document = json.loads((tmp_path / "ranking.json").read_text())
    assert document["run"]["split"] == "last-basket"
    assert "last basket in the window" in (tmp_path / "ranking.html").read_text()


def test_what_stands_in_runs_is_not_asked_again(market: Market, tmp_path: Path) -> None:
    for wrong, message in (
        (("--runs", str(tmp_path), "--as-of", "2017-11-27"), "--as-of: stands in the runs already"),
        (("--bundle", str(market.bundle)), "needs --runs, or --bundle with --trust and --as-of"),
    ):
        with pytest.raises(UsageError, match=message):
            ranking("--purchases", str(market.purchases), "--out", str(tmp_path), *wrong)
