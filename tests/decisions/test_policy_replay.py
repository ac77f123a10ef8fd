"""`recsys-evaluate policy replay`: against `decide`, against `policy explain`, against plain loops."""

from __future__ import annotations

import html.parser
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support import plain_lab
from support.commands import no_leftovers, run
from support.lab import QUESTION, LabFiles
from support.shop import AS_OF, UNREACHABLE

from recsys.contracts.decision import Decision
from recsys.contracts.state import Dismissal, DismissalScope, State
from recsys.errors import BundleError, PolicyError, UsageError
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.variants import bare
from recsys.evaluation.policy_lab.verdicts import count_verdicts
from recsys.guards import GUARDS
from recsys.offer_book import OfferBook
from recsys.policy import load_policy
from recsys.recommender import Recommender

pytestmark = pytest.mark.slow  # a fitted bundle

STRICTER = (
    '[groups.milk]\ncategories = ["MILK"]',
    '[[only_if_purchased]]\ngroups = ["milk"]\nmin_days = 5\nwithin_days = 60',
)
VARIETY = ("[[diversity]]\nmax = 4\ndepth = 1",)


def decisions(lab: Lab, book: OfferBook) -> list[Decision]:
    """Everyone's, by the path that serves."""
    recommender = Recommender(lab.shop.scorer, book)
    requests = [QUESTION.request(subject) for subject in lab.subjects]
    histories = lab.histories(book)
    rng = np.random.default_rng(0)
    return recommender.decide(requests, histories, list(lab.states), at=QUESTION.at, rng=rng)


def listed(decision: Decision) -> list[str]:
    return [item.offer_id for item in decision.items]


@pytest.fixture(scope="module")
def replayed(lab_files: LabFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, str]:
    """The folder, the document, and what a person and a program read."""
    out = tmp_path_factory.mktemp("replayed")
    one, other = lab_files.policy("one", *VARIETY), lab_files.policy("other", *STRICTER)
    files = ["--out", out, "--changed", out / "changed.txt", "--json"]
    done = run("recsys", "policy", "replay", one, "--against", other, *lab_files.options(), *files)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout), done.stdout + done.stderr


def test_lists_are_those_that_are_served(lab_files: LabFiles) -> None:
    lab = lab_files.lab()
    for more in (VARIETY, STRICTER):
        book = lab.book(load_policy(lab_files.policy("same", *more)))
        lists, served = lab.lists(book), decisions(lab, book)
        assert [[book.ids[o] for o in row if o >= 0] for row in lists.offers.tolist()] == [listed(d) for d in served]
        for rule in {rule for decision in served for rule in decision.withheld or {}}:
            assert lists.withheld[rule].tolist() == [(d.withheld or {}).get(rule, 0) for d in served]
        first = count_verdicts(lab, book).first
        for place, rule in enumerate(GUARDS):
            assert first[place] == sum((decision.withheld or {}).get(rule, 0) for decision in served)


def test_what_guards_withhold_alone_and_together_is_what_explain_says(lab_files: LabFiles) -> None:
    everyone = lab_files.lab()
    some = sorted({*everyone.subjects[::4], UNREACHABLE})
    lab = Lab.of(everyone.shop, everyone.population, QUESTION, some)
    book = lab.book(load_policy(lab_files.policy("explained", *STRICTER)))
    recommender, counts = Recommender(lab.shop.scorer, book), count_verdicts(lab, book)
    alone, last, both = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for row, (subject, state) in enumerate(zip(lab.subjects, lab.states, strict=True)):
        history = lab.histories(book).slice(row, row + 1)
        for offer in book.ids:
            said = recommender.why_not(QUESTION.request(subject), history, state, offer, at=QUESTION.at).withheld_by
            rules = [rule for rule in said if rule in GUARDS]
            alone.update(rules)
            last.update(rules if len(rules) == 1 else [])
            both.update((one, other) for one in rules for other in rules)
    names = list(GUARDS)
    assert dict(zip(names, counts.alone.tolist(), strict=True)) == {rule: alone[rule] for rule in names}
    assert dict(zip(names, counts.last.tolist(), strict=True)) == {rule: last[rule] for rule in names}
    assert counts.both.tolist() == [[both[one, other] for other in names] for one in names]
    assert both["never", "consent"] > 0


def test_the_figures_are_what_plain_loops_find(lab_files: LabFiles, replayed: tuple[Path, Any, str]) -> None:
    _, document, _ = replayed
    lab = lab_files.lab()
    book = lab.book(load_policy(lab_files.policy("one", *VARIETY)))
    offers = pl.read_parquet(lab_files.shop.file("offers"))
    bought = pl.read_parquet(lab_files.release / "purchases.parquet").filter(pl.col("day") >= AS_OF)
    covering = {items[0]: offer for offer, items in offers.select("offer_id", "items").iter_rows()}
    wanted: dict[str, set[str]] = {}
    for subject, item in bought.select("subject", "item").iter_rows():
        wanted.setdefault(subject, set()).add(covering[item])
    for policy, told in ((book.policy, "quality"), (bare(book.policy), "free")):
        served = {d.subject: listed(d) for d in decisions(lab, lab.book(policy))}
        able = [subject for subject in lab.subjects if subject in wanted and lab.population.state(subject).consents]
        ids = {offer: place for place, offer in enumerate(book.ids)}
        lists = [[ids[offer] for offer in served[subject]] for subject in able]
        goals = [{ids[offer] for offer in wanted[subject]} for subject in able]
        expected = plain_lab.quality(lists, goals, QUESTION.count)
        first = document["policies"][0]
        means = {metric: figure["mean"] for metric, figure in first["quality"].items()}
        if told == "free":
            means = {metric: means[metric] - figure["mean"] for metric, figure in first["effect"].items()}
        assert means == pytest.approx(expected)
    assert document["asked"]["judged"] == 80


def test_each_rule_is_left_out_and_stands_alone(lab_files: LabFiles, replayed: tuple[Path, Any, str]) -> None:
    _, document, _ = replayed
    rules = {rule["rule"]: rule for rule in document["rules"]}
    assert set(rules) == {"unknown_category", "never", "only_if_purchased", "diversity"}
    lab = lab_files.lab()
    policy = load_policy(lab_files.policy("one", *VARIETY))
    text = Path(policy.path).read_text()
    cut = lab_files.folder / "cut.toml"
    cut.write_text(text[: text.index("[[only_if_purchased]]")] + VARIETY[0])
    with_rule, without_rule = (decisions(lab, lab.book(load_policy(path))) for path in (Path(policy.path), cut))
    changed = sum(listed(a) != listed(b) for a, b in zip(with_rule, without_rule, strict=True))
    assert rules["only_if_purchased"]["lists_changed"] == changed > 0
    assert rules["diversity"]["lists_changed"] > 0
    for rule in rules.values():
        for side in ("without", "alone"):
            for estimate in rule[side].values():
                assert estimate["low"] <= estimate["mean"] <= estimate["high"]


def test_tokens_of_changed_lists_only_if_asked(lab_files: LabFiles, replayed: tuple[Path, Any, str]) -> None:
    out, document, said = replayed
    lab = lab_files.lab()
    books = [
        lab.book(load_policy(lab_files.policy(name, *more))) for name, more in (("one", VARIETY), ("other", STRICTER))
    ]
    before, after = (decisions(lab, book) for book in books)
    differing = [a.subject for a, b in zip(before, after, strict=True) if listed(a) != listed(b)]
    assert (out / "changed.txt").read_text().split() == differing
    assert (out / "changed.txt").stat().st_mode & 0o777 == 0o600
    assert document["side_by_side"]["changed"] == len(differing) > 0
    told = said + (out / "replay.json").read_text() + (out / "replay.html").read_text()
    assert not [subject for subject in lab.subjects if subject in told]


def test_the_page_says_how_the_policies_differ(replayed: tuple[Path, Any, str]) -> None:
    out, document, said = replayed
    says = {one["where"]: (one["before"], one["after"]) for one in document["side_by_side"]["says"]}
    assert set(says) == {"groups.milk", "only_if_purchased (milk)", "diversity (any)"}
    assert says["diversity (any)"] == ("max 4, depth 1", None)
    assert says["only_if_purchased (milk)"] == (None, "groups milk, min_days 5, within_days 60, level group")
    page = (out / "replay.html").read_text()
    for told in (page, said):
        assert "First policy" in told
        assert "only_if_purchased (milk)" in told
    assert "lists change" in page


def test_groups_of_fewer_than_five_are_not_told_about(replayed: tuple[Path, Any, str]) -> None:
    _, document, _ = replayed
    groups = document["policies"][0]["short_lists"]
    assert {group["by"] for group in groups} >= {"profiling", "shopping days"}
    assert min(group["subjects"] for group in groups) >= 5


class Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = {"src", "href", "xlink:href", "action", "data"}
        self.references += [value or "" for name, value in attrs if name in names]


def test_the_page_needs_nothing_but_itself(replayed: tuple[Path, Any, str]) -> None:
    out, _, _ = replayed
    page = Page((out / "replay.html").read_text())
    assert page.tags.count("svg") >= 2
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert [reference for reference in page.references if not reference.startswith("#")] == []


def test_the_same_files_give_the_same_figures(lab_files: LabFiles, tmp_path: Path) -> None:
    policy = lab_files.policy("again", *VARIETY)
    for name in ("a", "b"):
        lab_files.run("replay", policy, out=tmp_path / name)
    assert (tmp_path / "a" / "replay.json").read_bytes() == (tmp_path / "b" / "replay.json").read_bytes()
    assert (tmp_path / "a" / "replay.html").read_bytes() == (tmp_path / "b" / "replay.html").read_bytes()
    document = json.loads((tmp_path / "a" / "replay.json").read_text())
    assert (len(document["policies"]), document["side_by_side"]) == (1, None)


def test_a_bundle_that_has_seen_the_days_is_refused(lab_files: LabFiles, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="training window reaches into"):
        lab_files.run("replay", lab_files.policy("seen"), out=tmp_path / "o", **{"as-of": "2017-11-20"})
    assert not (tmp_path / "o").exists()
    assert no_leftovers(tmp_path)


def test_purchases_that_end_too_soon_leave_nobody_to_judge(lab_files: LabFiles, tmp_path: Path) -> None:
    lab_files.run("replay", lab_files.policy("soon"), out=tmp_path, purchases=lab_files.shop.file("purchases"))
    document = json.loads((tmp_path / "replay.json").read_text())
    assert document["asked"]["judged"] == 0
    assert document["policies"][0]["quality"] == {}
    assert document["policies"][0]["guards"]
    assert "Nobody could be judged" in (tmp_path / "replay.html").read_text()


def test_a_file_of_changes_without_another_policy_is_a_wrong_call(lab_files: LabFiles, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--changed: means nothing without --against"):
        lab_files.run("replay", lab_files.policy("alone"), "--changed", tmp_path / "c", out=tmp_path)


def test_a_policy_with_a_misspelt_key_is_refused(lab_files: LabFiles, tmp_path: Path) -> None:
    policy, wrong = lab_files.policy("right"), lab_files.policy("wrong", "[fatige]\nafter = 2")
    with pytest.raises(PolicyError, match="unknown key 'fatige'"):
        lab_files.run("replay", policy, "--against", wrong, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_people_in_other_arms_are_replayed_as_such(lab_files: LabFiles) -> None:
    lab = lab_files.lab()
    book = lab.book(load_policy(lab_files.policy("arms")))
    popular = lab.knowing([type(state)(**{**state_fields(state), "arm": "popular"}) for state in lab.states])
    lists = popular.lists(book)
    assert not lists.personal.any()
    assert len({tuple(row) for row in lists.offers.tolist()}) < len({tuple(r) for r in lab.lists(book).offers.tolist()})
    assert replace(lab).states == lab.states


def test_a_dismissed_brand_stays_away_though_brands_are_mostly_left_out(lab_files: LabFiles) -> None:
    plain = lab_files.lab()
    branded = plain.shop.catalogue.with_columns(brand=pl.col("item").str.split("-").list.first())
    shop, policy = replace(plain.shop, catalogue=branded), load_policy(lab_files.policy("brands"))
    same = Lab.of(shop, plain.population, QUESTION)
    assert "brand" not in same.shop.catalogue.columns
    before = plain.lists(plain.book(policy))
    assert not before.changed(same.lists(same.book(policy))).any()
    milk = plain.book(policy).ids.index("offer-milk-1")
    (who, *_) = np.flatnonzero((before.offers == milk).any(axis=1)).tolist()
    no = Dismissal(scope=DismissalScope.BRAND, value="Milk", at=QUESTION.at)
    states = {**plain.population.states, plain.subjects[who]: replace_state(plain.states[who], no)}
    lab = Lab.of(shop, replace(plain.population, states=states), QUESTION)
    after = lab.lists(lab.book(policy))
    assert milk not in after.offers[who].tolist()
    assert np.flatnonzero(before.changed(after)).tolist() == [who]


def replace_state(state: State, said: Dismissal) -> State:
    return State(**{**state_fields(state), "dismissals": (said,)})


def state_fields(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__struct_fields__}
