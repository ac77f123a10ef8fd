"""`recsys-evaluate decide`: everyone at once, by the path that serves one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import assert_clear_failure, no_leftovers, run
from support.shop import (
    ABSTAINER,
    DRINKER,
    FOREIGN,
    NEWCOMER,
    POLICY,
    STRANGER,
    UNLISTED,
    UNPROFILED,
    UNREACHABLE,
    Shop,
)

pytestmark = pytest.mark.slow  # a fitted bundle

Decisions = dict[str, dict[str, Any]]


def decided(files: list[object], guards: Path, folder: Path, *more: object) -> Decisions:
    out = folder / "decisions.jsonl"
    done = run("recsys", "decide", *files, "--guards", guards, "--k", 9, "--explain", "--out", out, *more)
    assert done.returncode == 0, done.stderr
    read = [json.loads(line) for line in out.read_text().splitlines()]
    return {decision["subject"]: decision for decision in read}


def offers(decision: dict[str, Any]) -> list[str]:
    return [item["offer_id"] for item in decision["items"]]


def test_everyone_is_decided_for_by_the_guards(shop: Shop, files: list[object], tmp_path: Path) -> None:
    decisions = decided(files, shop.guards, tmp_path)
    known = set(pl.read_parquet(shop.file("purchases"))["subject"]) | set(
        pl.read_parquet(shop.file("subjects"))["subject"]
    )
    assert set(decisions) == known
    assert "offer-wine-1" in offers(decisions[DRINKER])
    assert not {"offer-wine-1", "offer-beer-1"} & set(offers(decisions[ABSTAINER]))
    assert decisions[ABSTAINER]["withheld"]["only_if_purchased"] == 2
    assert decisions[UNPROFILED]["fill"] == decisions[NEWCOMER]["fill"] == "popular"
    for nobody in (UNREACHABLE, UNLISTED):
        assert (decisions[nobody]["fill"], decisions[nobody]["items"]) == ("none", [])
    assert not any("offer-test-1" in offers(decision) for decision in decisions.values())


def test_reasons_sum_to_the_score_whatever_adds_to_it(files: list[object], tmp_path: Path) -> None:
    guards = tmp_path / "boosted.toml"
    guards.write_text(f'{POLICY}\n[[boosts.lift]]\noffers = ["offer-tea-1", "offer-milk-1"]\nby = 0.4\n')
    state = tmp_path / "state.jsonl"
    consents = ["channel:email"]
    state.write_text(json.dumps({"subject": UNPROFILED, "state": {"consents": consents, "interests": ["Rice"]}}))
    decisions = decided(files, guards, tmp_path, "--state", state)
    codes = set()
    for decision in decisions.values():
        for item in decision["items"]:
            assert sum(reason["contribution"] for reason in item["reasons"]) == pytest.approx(item["score"], abs=1e-6)
            codes.update(reason["code"] for reason in item["reasons"])
    assert codes == {"bought", "related", "other", "popular", "interest", "boost"}
    assert decisions[UNPROFILED]["fill"] == "segment"
    assert offers(decisions[UNPROFILED])[0] == "offer-rice-1"


def test_a_state_replaces_what_the_subjects_file_says(shop: Shop, files: list[object], tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    said = {"scope": "brand", "value": "nobody's", "at": "2017-11-01T00:00:00Z"}
    no = {"scope": "category", "value": "wine", "at": "2017-11-01T00:00:00Z"}
    consents = ["profiling", "channel:email"]
    lines = [
        {"subject": DRINKER, "state": {"consents": consents, "dismissals": [no, said]}},
        {"subject": ABSTAINER, "state": {"consents": consents, "arm": "empty"}},
        {"subject": STRANGER, "state": {"consents": consents}},
    ]
    state.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    decisions = decided(files, shop.guards, tmp_path, "--state", state)
    assert decisions[DRINKER]["withheld"]["dismissal"] == 1
    assert "offer-wine-1" not in offers(decisions[DRINKER])
    assert (decisions[ABSTAINER]["arm"], decisions[ABSTAINER]["fill"]) == ("empty", "none")
    assert decisions[STRANGER]["fill"] == "popular"


def test_what_is_not_learned_from_lends_no_score_and_no_name(shop: Shop, files: list[object], tmp_path: Path) -> None:
    before = decided(files, shop.guards, tmp_path)[ABSTAINER]
    bought = {reason["text"].removeprefix("because you buy ") for i in before["items"] for reason in i["reasons"]}
    assert "bread" in bought
    guards = tmp_path / "secret.toml"
    guards.write_text(f'{POLICY}\n[groups.secret]\ncategories = ["BREAD"]\nlearn = false\n')
    after = decided(files, guards, tmp_path)[ABSTAINER]
    texts = {reason["text"] for item in after["items"] for reason in item["reasons"]}
    assert not any("bread" in text for text in texts)
    assert "offer-bread-1" in offers(before)
    assert "offer-bread-1" not in offers(after)
    assert after["withheld"]["unscored"] == before["withheld"].get("unscored", 0) + 1


def test_the_same_seed_writes_the_same_bytes(files: list[object], tmp_path: Path) -> None:
    guards = tmp_path / "chance.toml"
    guards.write_text(f'{POLICY}\n[exploration]\nkind = "epsilon"\nepsilon = 0.5\n')
    written = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"{number}.jsonl"
        done = run("recsys", "decide", *files, "--guards", guards, "--seed", seed, "--out", out)
        assert done.returncode == 0, done.stderr
        written.append(out.read_bytes())
    assert written[0] == written[1] != written[2]
    assert b"withheld" not in written[0]  # it tells what people do not buy; --explain asks for it


def test_totals_for_a_program(shop: Shop, files: list[object], tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    done = run("recsys", "decide", *files, "--guards", shop.guards, "--channel", "fax", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    assert totals["fill"] == {"none": totals["subjects"]}
    assert totals["withheld"] == {"consent": 13 * totals["subjects"]}
    assert "Nobody agreed to channel 'fax'" in done.stderr


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("{]", ["line 1", "malformed JSON"]),
        ('{"subject": "joe@example.org", "state": {}}', ["line 1", "not a token"]),
        (f'{{"subject": "{FOREIGN}", "state": {{}}}}', ["line 1", "another domain"]),
        (f'{{"subject": "{DRINKER}", "state": {{"secret": 1}}}}', ["line 1", "does not know"]),
        (f'{{"subject": "{DRINKER}", "state": {{}}}}\n' * 2, ["line 2", "second time"]),
    ],
)
def test_a_state_that_breaks_its_contract_is_refused(
    shop: Shop, files: list[object], tmp_path: Path, line: str, parts: list[str]
) -> None:
    state = tmp_path / "state.jsonl"
    state.write_text(line)
    out = tmp_path / "out" / "d.jsonl"
    done = run("recsys", "decide", *files, "--guards", shop.guards, "--state", state, "--out", out)
    assert_clear_failure(done, *parts)
    assert "joe@" not in done.stderr
    assert not out.exists()
    assert no_leftovers(tmp_path)
