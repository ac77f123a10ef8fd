"""POST /v1/decisions, over real HTTP: who gets which offers, and that the answer is what `recsys` says."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest
from support.server import Server
from support.shop import (
    ABSTAINER,
    AS_OF,
    DRINKER,
    NEWCOMER,
    STRANGER,
    TEST,
    UNLISTED,
    UNPROFILED,
    UNREACHABLE,
    Shop,
)
from support.tokens import token

from recsys.bundle import load_bundle
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.history import histories
from recsys.offer_book import open_offer_book
from recsys.policy import load_policy
from recsys.recommender import Recommender
from recsys.scorer import Scorer

ALCOHOL = {"offer-beer-1", "offer-wine-1"}
OFFERS = 13
JSON = {"content-type": "application/json"}
ALWAYS_WITHHELD = {"unknown_category": 1, "never": 1}


def offers(decision: dict[str, object]) -> set[str]:
    return {item["offer_id"] for item in decision["items"]}


def test_who_buys_wine_is_offered_alcohol(server: Server) -> None:
    decision = server.ask(DRINKER, count=11)
    assert decision["fill"] == "personal"
    assert offers(decision) >= ALCOHOL
    assert decision["withheld"] == ALWAYS_WITHHELD


def test_who_never_bought_any_is_not(server: Server) -> None:
    decision = server.ask(ABSTAINER, count=11)
    assert not offers(decision) & ALCOHOL
    assert decision["withheld"] == {**ALWAYS_WITHHELD, "only_if_purchased": 2}
    assert decision["items"][0]["reasons"][0]["text"] == "because you buy what this offer covers"


def test_without_profiling_the_list_is_popular_and_history_opens_nothing(server: Server) -> None:
    decision = server.ask(UNPROFILED, count=5)
    assert decision["fill"] == "popular"
    assert not offers(decision) & ALCOHOL
    assert {reason["code"] for item in decision["items"] for reason in item["reasons"]} == {"popular"}


def test_without_a_history_the_list_is_popular(server: Server) -> None:
    assert server.ask(NEWCOMER, count=5)["fill"] == "popular"


@pytest.mark.parametrize("subject", [STRANGER, UNLISTED, UNREACHABLE])
def test_without_consent_to_the_channel_there_is_nothing(subject: str, server: Server) -> None:
    decision = server.ask(subject)
    assert (decision["fill"], decision["items"], decision["withheld"]) == ("none", [], {"consent": OFFERS})


def test_a_channel_is_consented_to_by_itself(server: Server) -> None:
    assert server.ask(DRINKER, channel="till")["fill"] == "personal"
    assert server.ask(DRINKER, channel="app")["fill"] == "none"


def test_never_is_never_offered_even_to_who_bought_it(server: Server) -> None:
    everyone = [token(number) for number in range(80)] + [DRINKER]
    answers = server.http.post("/v1/decisions", json=[{"subject": who, "channel": "email"} for who in everyone]).json()
    assert not any(f"offer-{TEST}" in offers(decision) for decision in answers)


def test_a_decision_says_what_made_it(server: Server) -> None:
    decision = server.ask(DRINKER, count=1)
    ready = server.http.get("/health/ready").json()
    assert decision["model_version"] == ready["model_version"]
    assert decision["policy_version"] == ready["policy_version"]
    assert decision["at"].startswith(f"{AS_OF}T09:")
    assert [item["rank"] for item in decision["items"]] == [1]
    assert server.ask(DRINKER, count=1)["decision_id"] != decision["decision_id"]


def test_exclude_and_count_are_obeyed(server: Server) -> None:
    best = server.ask(DRINKER, count=1)["items"][0]["offer_id"]
    decision = server.ask(DRINKER, count=3, exclude=[best, "offer-of-another-shop"])
    assert best not in offers(decision)
    assert len(decision["items"]) == 3
    assert decision["withheld"]["eligibility"] == 1


def test_an_array_is_answered_in_its_order(server: Server) -> None:
    asked = [DRINKER, STRANGER, ABSTAINER, DRINKER]
    response = server.http.post("/v1/decisions", json=[{"subject": who, "channel": "email"} for who in asked])
    answers = response.json()
    assert [answer["subject"] for answer in answers] == asked
    assert [answer["fill"] for answer in answers] == ["personal", "none", "short", "personal"]
    assert response.headers["cache-control"] == "no-store"
    one = server.http.post("/v1/decisions", json=[{"subject": DRINKER, "channel": "email"}]).json()
    assert len(one) == 1


def generated(count: int) -> list[DecisionRequest]:
    rng = np.random.default_rng(11)
    people = [*(token(number) for number in range(80)), DRINKER, ABSTAINER, UNPROFILED, UNREACHABLE, UNLISTED, STRANGER]
    names = ["offer-milk-1", "offer-beer-1", "offer-rice-1", "offer-nowhere"]
    return [
        DecisionRequest(
            subject=people[rng.integers(len(people))],
            channel=("email", "till", "app")[rng.integers(3)],
            placement=(None, "top")[rng.integers(2)],
            count=int(rng.integers(1, 15)),
            exclude=tuple(rng.choice(names, rng.integers(3), replace=False).tolist()),
        )
        for _ in range(count)
    ]


def offline(shop: Shop) -> tuple[Recommender, pl.DataFrame, dict[str, State]]:
    """The same recommender on the same files, without a server or a store."""
    catalogue, offered = pl.read_parquet(shop.file("catalogue")), pl.read_parquet(shop.file("offers"))
    scorer = Scorer(load_bundle(shop.bundle, trust=shop.trust))
    recommender = Recommender(scorer, open_offer_book(offered, catalogue, load_policy(shop.guards)))
    purchases = pl.read_parquet(shop.file("purchases")).filter(~pl.col("item").str.starts_with("test-"))
    consents = pl.read_parquet(shop.file("subjects")).iter_rows()
    return recommender, purchases, {subject: State(consents=frozenset(agreed)) for subject, agreed in consents}


@pytest.mark.parametrize("size", [1, 50])
def test_the_answer_is_that_of_the_core_on_the_same_values(size: int, state: str, shop: Shop) -> None:
    requests = generated(40 if size == 1 else 400)
    batches = [requests[start : start + size] for start in range(0, len(requests), size)]
    with Server(*shop.serve_options(state)) as server:  # one that nobody else reports events to
        compare_with_core(server, shop, batches)


def compare_with_core(server: Server, shop: Shop, batches: list[list[DecisionRequest]]) -> None:
    recommender, purchases, states = offline(shop)
    for batch in batches:
        answer = server.http.post("/v1/decisions", content=msgspec.json.encode(batch), headers=JSON)
        answered = msgspec.json.decode(answer.content, type=list[Decision])
        subjects = [request.subject for request in batch]
        expected = recommender.decide(
            batch,
            histories(purchases, recommender.book.index, subjects=subjects),
            [states.get(subject, State()) for subject in subjects],
            at=answered[0].at,
            rng=np.random.default_rng(0),
        )
        assert [nameless(decision) for decision in answered] == [nameless(decision) for decision in expected]


def nameless(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, decision_id="")
