"""From raw receipts to a guarded offer, by the real commands; and what must be nowhere on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.chain import AS_OF, POLICY, Chain
from support.commands import assert_clear_failure, run
from support.search import contents, found, plant
from support.server import Server, problem

pytestmark = pytest.mark.slow  # the whole chain

IDENTIFIERS = ("loyalty_card", "name", "email", "phone", "address")


@pytest.fixture(scope="module")
def identifiers(chain: Chain) -> list[str]:
    customers = pl.read_csv(chain.raw / "customers.csv", infer_schema=False)
    return [value for name in IDENTIFIERS for value in customers[name].drop_nulls() if len(value) > 5]


@pytest.fixture(scope="module")
def tokens(chain: Chain) -> list[str]:
    return pl.read_parquet(chain.purchases)["subject"].unique().to_list()


@pytest.fixture(scope="module")
def server(chain: Chain) -> Iterator[Server]:
    with Server(*chain.serve_options(), "--port", 0) as started:
        yield started


def test_no_identifier_passes_the_gate(chain: Chain, identifiers: list[str], tmp_path: Path) -> None:
    assert len(identifiers) > 400
    assert found(contents(chain.raw), identifiers) == sorted(set(identifiers))
    assert found(contents(chain.release), identifiers) == []
    plant(tmp_path, identifiers[0])
    assert found(contents(tmp_path), identifiers) == [identifiers[0]]


def test_no_bundle_holds_a_token_or_an_identifier(
    chain: Chain, identifiers: list[str], tokens: list[str], tmp_path: Path
) -> None:
    # The version and the epoch stand in front of every token; its 26 characters alone must not be there either.
    needles = [*identifiers, *tokens, *(token.rpartition(".")[2] for token in tokens)]
    assert found(contents(chain.models), needles) == []
    plant(tmp_path, tokens[0])
    assert tokens[0] in found(contents(tmp_path), needles)


def test_the_state_holds_tokens_and_no_identifier(chain: Chain, identifiers: list[str], tokens: list[str]) -> None:
    everything = b"".join(path.read_bytes() for path in chain.folder.glob("state.db*"))
    assert found(everything, identifiers) == []
    assert found(everything, tokens) == sorted(tokens)


def test_what_must_never_be_offered_does_not_pass_the_gate(chain: Chain) -> None:
    catalogue = pl.read_parquet(chain.catalogue)
    kits = catalogue.filter(pl.col("category").str.contains("PREGNANCY TEST KITS"))["item"]
    raw = pl.read_parquet(chain.raw / "receipts.parquet")
    assert raw["item"].is_in(kits.implode()).any(), "the sample has none to drop"
    assert not pl.read_parquet(chain.purchases)["item"].is_in(kits.implode()).any()
    assert json.loads((chain.release / "release.json").read_text())["dropped"]


def test_a_decision_over_http_is_guarded(chain: Chain, server: Server) -> None:
    subjects = pl.read_parquet(chain.subjects)
    consenting = subjects.filter(
        pl.col("consents").list.contains("profiling") & pl.col("consents").list.contains("channel:email")
    )["subject"].to_list()
    requests = [{"subject": subject, "channel": "email", "count": 20} for subject in consenting]
    answer = server.http.post("/v1/decisions", json=requests)
    assert answer.status_code == 200
    decisions = answer.json()
    assert [decision["subject"] for decision in decisions] == consenting
    assert {decision["fill"] for decision in decisions} <= {"personal", "short"}
    assert all(decision["items"] for decision in decisions)
    for decision in decisions:
        assert decision["withheld"]["never"] > 0
        scores = [item["score"] for item in decision["items"]]
        assert scores == sorted(scores, reverse=True)
        for item in decision["items"]:
            assert sum(reason["contribution"] for reason in item["reasons"]) == pytest.approx(item["score"], abs=1e-5)


def test_without_consent_nothing_personal_goes_out(chain: Chain, server: Server) -> None:
    subjects = pl.read_parquet(chain.subjects)
    may_send = pl.col("consents").list.contains("channel:email")
    may_profile = pl.col("consents").list.contains("profiling")
    unprofiled = subjects.filter(may_send & ~may_profile)["subject"].to_list()
    unreachable = subjects.filter(~may_send)["subject"].to_list()
    assert unprofiled
    assert unreachable
    interests = dict(subjects.select("subject", pl.col("interests").list.len().fill_null(0) > 0).iter_rows())
    scores: dict[tuple[bool, str], float] = {}
    for subject in unprofiled:
        decision = server.ask(subject)
        assert decision["fill"] == ("segment" if interests[subject] else "popular")
        for item in decision["items"]:  # a history may withhold an offer; it changes no score, and is no reason
            kinds = {reason["code"] for reason in item["reasons"]}
            assert kinds <= ({"popular", "interest"} if interests[subject] else {"popular"})
            assert item["score"] == scores.setdefault(("interest" in kinds, item["offer_id"]), item["score"])
    for subject in unreachable:
        decision = server.ask(subject)
        assert (decision["fill"], decision["items"]) == ("none", [])


def test_an_identifier_in_a_tokens_place_is_refused_and_not_repeated(server: Server, identifiers: list[str]) -> None:
    email = next(value for value in identifiers if "@" in value)
    answer = server.http.post("/v1/decisions", json={"subject": email, "channel": "email"})
    problem(answer, 422)
    assert email not in answer.text
    assert "token" in answer.text


def test_offline_and_online_start_from_the_same_bundle(chain: Chain, server: Server) -> None:
    ready = server.http.get("/health/ready").json()
    current = (chain.bundle / "current").read_text().strip()
    assert current in json.dumps(ready)


def test_judging_writes_a_page_and_figures(chain: Chain, tmp_path: Path) -> None:
    judged = ("--bundle", chain.bundle, "--trust", chain.trust, "--purchases", chain.purchases)
    done = run("recsys", "ranking", *judged, "--as-of", AS_OF, "--horizon", 28, "--out", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r" / "ranking.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page
    json.loads((tmp_path / "r" / "ranking.json").read_text())


def test_a_bundle_is_not_judged_on_what_it_has_seen(chain: Chain, tmp_path: Path) -> None:
    judged = ("--bundle", chain.bundle, "--trust", chain.trust, "--purchases", chain.purchases)
    done = run("recsys", "ranking", *judged, "--as-of", "2017-10-30", "--horizon", 28, "--out", tmp_path / "r")
    assert_clear_failure(done, AS_OF, "2017-10-30")
    assert not (tmp_path / "r").exists()


def test_no_command_takes_a_bundle_that_was_touched(chain: Chain, tmp_path: Path) -> None:
    version = (chain.bundle / "current").read_text().strip()
    source = chain.bundle / version
    copy = tmp_path / "bundle"
    copy.mkdir()
    for file in source.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    model = copy / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    done = run(
        *("recsys", "topk", "--bundle", copy, "--trust", chain.trust, "--purchases", chain.purchases),
        *("--as-of", AS_OF, "--k", 3, "--out", tmp_path / "top.parquet"),
    )
    assert_clear_failure(done, "model.onnx", "changed after it was signed")
    served = run(
        *("serving", "--bundle", copy, "--trust", chain.trust, "--guards", POLICY, "--catalogue", chain.catalogue),
        *("--offers", chain.offers, "--state", chain.state, "--port", 0),
    )
    assert_clear_failure(served, "model.onnx", "changed after it was signed")
    assert not (tmp_path / "top.parquet").exists()
