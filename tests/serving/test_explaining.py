"""Why this, why not that, and what another policy would do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.server import Server, problem
from support.shop import ABSTAINER, BEER, DRINKER, NOW, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

PERSON = "anna.berg@example.org"
STRICTER = """
version = 1
name = "stricter"
never = ["alcohol"]
[groups.alcohol]
categories = ["BEERS/ALES", "WINE"]
"""


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shutil.copy(loaded, shop.folder / "explaining.db")
    with Server(*shop.serve_options(f"sqlite:///{state}")) as running:
        yield running


def explained(server: Server, decision: dict[str, Any], offer: str | None = None) -> dict[str, Any]:
    query = "" if offer is None else f"?offer={offer}"
    response = server.http.get(f"/v1/decisions/{decision['decision_id']}{query}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_why_this_is_what_went_out(server: Server) -> None:
    decision = server.ask(DRINKER, count=3, exclude=["offer-rice-1"])
    told = explained(server, decision)
    assert told["decision"] == decision
    assert told["request"]["exclude"] == ["offer-rice-1"]
    assert "other" not in told


def test_what_was_decided_at_once_with_others_is_found_again(server: Server) -> None:
    people = [token(number) for number in range(24)]
    with ThreadPoolExecutor(len(people)) as pool:
        decisions = list(pool.map(lambda subject: server.ask(subject, count=5), people[:12])) + [
            server.ask(subject, count=5) for subject in people[12:]
        ]
    assert [decision["subject"] for decision in decisions] == people
    assert {decision["fill"] for decision in decisions} == {"personal"}
    assert all(explained(server, decision, "offer-beer-1")["other"]["exact"] for decision in decisions)


def test_why_not_that_names_the_rule_and_is_exact(server: Server) -> None:
    decision = server.ask(ABSTAINER, count=3)
    other = explained(server, decision, "offer-beer-1")["other"]
    assert other["exact"]
    assert [rule["name"] for rule in other["withheld_by"]] == ["only_if_purchased"]
    assert other["withheld_by"][0]["text"].startswith("it holds something that goes only to those who buy it")
    first = decision["items"][0]
    there = explained(server, decision, first["offer_id"])["other"]
    assert (there["rank"], there["score"]) == (1, pytest.approx(first["score"]))
    last = server.ask(DRINKER, count=11)["items"][-1]["offer_id"]
    outranked = explained(server, server.ask(DRINKER, count=1), last)["other"]
    assert [rule["name"] for rule in outranked["withheld_by"]] == ["outranked"]


def test_it_is_about_the_moment_of_the_decision(server: Server) -> None:
    """Later exposures and the decision's own reservation do not count; a late purchase makes the answer inexact."""
    asked = {"subject": ABSTAINER, "channel": "email", "count": 2, "reserve_seconds": 600, "gpc": True}
    decision = server.http.post("/v1/decisions", json=asked, headers={"Idempotency-Key": '"why"'}).json()
    told = explained(server, decision, "offer-beer-1")
    assert told["reserved"] == [item["offer_id"] for item in decision["items"]]
    assert told["details"]["gpc"] is True
    assert told["other"]["exact"]
    beers = [
        {"event_id": f"beer.{day}", "type": "purchase", "subject": ABSTAINER, "item": BEER, "quantity": 1, "at": at}
        for day, at in enumerate(("2017-11-20T18:00:00Z", "2017-11-22T18:00:00Z", NOW))
    ]
    before = server.ask(ABSTAINER, count=11)
    server.tell(*beers)
    other = explained(server, before, "offer-beer-1")["other"]
    assert not other["exact"]
    assert "rank" in other


@pytest.mark.parametrize("path", ["4711", PERSON, "0" * 32, f"{'0' * 31}x", "%2e%2e"])
def test_a_decision_that_is_not_there(path: str, server: Server) -> None:
    document = problem(server.http.get(f"/v1/decisions/{path}"), 404)
    assert path not in str(document)


def test_an_offer_that_is_not_there_or_none(server: Server) -> None:
    decision_id = server.ask(DRINKER)["decision_id"]
    for offer, status in (("offer-of-another-shop", 422), (PERSON, 400), ("", 400)):
        document = problem(server.http.get(f"/v1/decisions/{decision_id}", params={"offer": offer}), status)
        assert not offer or offer not in str(document)


def test_a_simulation_shows_both_lists_and_writes_nothing(server: Server) -> None:
    held = server.http.post("/v1/subjects/access", json={"subject": DRINKER}).json()
    body = {"policy": STRICTER, "subjects": [DRINKER, ABSTAINER], "channel": "email", "count": 20}
    response = server.http.post("/v1/policies/simulate", json=body)
    assert response.status_code == 200, response.text
    simulation = response.json()
    assert simulation["policy_version"].startswith("stricter@")
    assert simulation["stands"].startswith("small@")
    drinker = simulation["subjects"][0]
    assert drinker["subject"] == DRINKER
    assert {"offer-beer-1", "offer-wine-1"} <= set(drinker["stands"]["offers"])
    assert not {"offer-beer-1", "offer-wine-1"} & set(drinker["simulated"]["offers"])
    assert drinker["simulated"]["withheld"]["never"] == 2
    assert server.http.post("/v1/subjects/access", json={"subject": DRINKER}).json() == held
    assert server.http.get("/health/ready").json()["policy_version"] == simulation["stands"]


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        (f'version = 1\n"{PERSON}" = 2\n', "line 2, column 1"),
        (f"version = 1\n[groups.{PERSON}\n", "line 2"),
        (f'version = 1\nnever = ["{PERSON}"]\n', "line 2"),
        ("version = 9\n", "line 1"),
        ("", "$.policy"),
    ],
)
def test_a_policy_that_cannot_be_used_is_told_by_its_place(policy: str, place: str, server: Server) -> None:
    body = {"policy": policy, "subjects": [DRINKER], "channel": "email"}
    document = problem(server.http.post("/v1/policies/simulate", json=body), 422)
    assert place in str(document["detail"])
    assert PERSON not in str(document)
