"""The whole card: what is sealed, where it came from, how it was judged; in Markdown and as a page."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import msgspec
import pytest
from support.commands import in_process
from support.market import Market, build
from support.tastes import Train

from recsys.bundle import load_bundle
from recsys.cli import app
from recsys.contracts.release import Release
from recsys.evaluation.report import pick, words
from recsys.evaluation.results import RankingResult
from recsys.files import sha256_of
from training.cards.html import card_page
from training.cards.lineage import lineage

Judged = tuple[Market, Path]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """A bundle and its result."""
    market = build(tmp_path_factory.mktemp("card"))
    out: Path = tmp_path_factory.mktemp("result")
    in_process(app, "ranking", *market.judged(out=out))
    return market, out / "ranking.json"


def options(market: Market, out: Path, *more: object) -> list[object]:
    return ["card", "--bundle", market.bundle, "--trust", market.trust, "--out", out, *more]


@pytest.mark.slow
def test_the_card_tells_figures_with_baselines_and_where_it_is_weak(
    judged: Judged, train: Train, tmp_path: Path
) -> None:
    market, result = judged
    done = train(*options(market, tmp_path, "--results", result))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "card.md").read_text()
    sealed = (load_bundle(market.bundle, trust=market.trust).path / "card.md").read_text().rstrip()
    assert text.startswith(sealed)
    for wanted in (
        "## Data",
        "## Configuration",
        "## Privacy",
        "## Not to be used",
        "## Judged",
        "## Where it is weak",
    ):
        assert wanted in text
    document = json.loads(result.read_text())
    for model in document["run"]["models"]:
        if model["role"] == "baseline":
            assert text.count(f"| {model['name']} |") == 3  # a task each
    weak = text[text.index("## Where it is weak") :]
    new = {
        f.model: f.estimate.mean
        for f in pick.figures(msgspec.json.decode(result.read_bytes(), type=RankingResult), "mixed", segment="new")
    }
    assert new["bundle"] > 0  # they are shown what sells
    read = msgspec.json.decode(result.read_bytes(), type=RankingResult)
    for task in pick.tasks(read):
        (to,) = (d for d in pick.differences(read, task) if d.baseline == pick.strongest(read, task))
        line = f"- {words.TASKS[task].lower()}, everyone with a history: "
        assert (line in weak) == (words.finding(to) != "better")
    page = (tmp_path / "card.html").read_text()
    assert page.count("<table>") == text.count("\n|---")
    assert load_bundle(market.bundle, trust=market.trust).model_version in page


@pytest.mark.slow
def test_a_result_of_another_bundle_is_refused(judged: Judged, train: Train, tmp_path: Path) -> None:
    market, result = judged
    document = json.loads(result.read_text())
    other = tmp_path / "ranking.json"
    for key, value in (("candidate", "small/20170101-00000000"), ("bundle", "0" * 64)):
        other.write_text(json.dumps({**document, "run": {**document["run"], key: value}}))
        done = train(*options(market, tmp_path / "out", "--results", other))
        assert (done.returncode, "is not about small/" in done.stderr) == (1, True)
    assert train(*options(market, tmp_path / "out", "--results", tmp_path / "none")).returncode == 1
    assert not (tmp_path / "out").exists()
    assert "says nothing of how the bundle ranks" in train(*options(market, tmp_path / "out")).stderr


@pytest.mark.slow
def test_the_lineage_is_that_of_the_release_in_the_manifest(judged: Judged, tmp_path: Path) -> None:
    manifest = load_bundle(judged[0].bundle, trust=judged[0].trust).manifest
    release = Release(
        domain="rec",
        epoch="01",
        field_policy="f" * 64,
        guard_policy="e" * 64,
        fingerprint="d" * 64,
        files={},
        rows={},
        dropped={"never": 7},
    )
    path = tmp_path / "release.json"
    path.write_bytes(msgspec.json.encode(release))
    learned_from = msgspec.structs.replace(manifest.data, release=sha256_of(path))
    text = lineage(msgspec.structs.replace(manifest, data=learned_from), tmp_path)
    for wanted in ("f" * 64, "e" * 64, "d" * 64, "never 7", sha256_of(path)):
        assert wanted in text
    with pytest.raises(Exception, match="not the release that the bundle was learned from"):
        lineage(manifest, path)


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = card_page("a < b", "# Title\n\n<script>alert(1)</script>\n\n| | |\n|---|---|\n| a | `b` |\n")
    tags: list[str] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}

    Reader().feed(page)
    assert "script" not in tags
    assert tags.count("table") == 1
    assert "<title>a &lt; b</title>" in page
