"""Idempotency-Key: the same request again is answered alike and not carried out again; another one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.server import Server, key_for, problem
from support.shop import ABSTAINER, DRINKER, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

PUSH = {"subject": DRINKER, "channel": "email", "count": 2, "reserve_seconds": 3600}


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shop.folder / "idempotency.db"
    state.write_bytes(loaded.read_bytes())
    with Server(*shop.serve_options(f"sqlite:///{state}")) as running:
        yield running


def sent(server: Server, key: str, body: object = PUSH, path: str = "/v1/decisions", **more: object) -> httpx.Response:
    return server.http.post(path, json=body, headers={"Idempotency-Key": key, **more})


def reserved(server: Server, subject: str) -> int:
    return len(server.http.post("/v1/subjects/access", json={"subject": subject}).json().get("reservations", []))


def test_the_same_again_is_the_same_answer_and_reserves_once(server: Server) -> None:
    first, again = sent(server, '"push-1"'), sent(server, '"push-1"')
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert reserved(server, DRINKER) == 2
    assert sent(server, '"push-2"').json()["decision_id"] != first.json()["decision_id"]
    assert reserved(server, DRINKER) == 4


def test_another_request_with_the_same_key_is_refused(server: Server) -> None:
    assert sent(server, '"other-1"').status_code == 200
    for body, more in (({**PUSH, "count": 3}, {}), (PUSH, {"Sec-GPC": "1"})):
        document = problem(sent(server, '"other-1"', body, **more), 422)
        assert document["type"] == "urn:recsys:problem:idempotency-reused"


def test_a_reservation_needs_one(server: Server) -> None:
    document = problem(server.http.post("/v1/decisions", json=PUSH), 400)
    assert document["type"] == "urn:recsys:problem:idempotency-key"
    problem(server.http.post("/v1/decisions", json=[{**PUSH, "reserve_seconds": None}, PUSH]), 400)


@pytest.mark.parametrize(
    "key", ["push-1", '""', '"4711', "4711", f'"{"4711" * 64}"', '"4711" "4712"', '"\\4711"', '"4711";p=1']
)
def test_a_misshapen_one(key: str, server: Server) -> None:
    document = problem(sent(server, key), 400)
    assert document["type"] == "urn:recsys:problem:idempotency-key"
    assert "4711" not in str(document)


def test_after_a_refusal_the_key_may_be_used_again(server: Server) -> None:
    problem(sent(server, '"mended"', {**PUSH, "subject": "x"}), 422)
    assert sent(server, '"mended"').status_code == 200


def test_two_callers_may_use_the_same_key(server: Server) -> None:
    other = {"authorization": f"Bearer {key_for(server.state, ['decide'])}"}
    first, second = sent(server, '"mine"'), sent(server, '"mine"', {**PUSH, "count": 1}, **other)
    assert first.status_code == second.status_code == 200
    assert first.json()["decision_id"] != second.json()["decision_id"]


def test_at_once_it_is_carried_out_once(server: Server) -> None:
    before = reserved(server, ABSTAINER)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sent(server, '"at-once"', {**PUSH, "subject": ABSTAINER}), range(16)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert reserved(server, ABSTAINER) == before + 2


def test_an_erased_persons_answers_are_gone(server: Server) -> None:
    leaver = token(7)
    first = sent(server, '"leaver"', {**PUSH, "subject": leaver})
    assert first.json()["items"]
    assert server.http.post("/v1/subjects/erase", json={"subjects": [leaver]}).status_code == 200
    again = sent(server, '"leaver"', {**PUSH, "subject": leaver})
    assert "idempotency-replayed" not in again.headers
    assert (again.json()["items"], again.json()["fill"]) == ([], "none")


def test_preferences_and_events_take_one_too(server: Server) -> None:
    change = {"subject": DRINKER, "interests": ["tea"]}
    first, again = (
        server.http.put("/v1/preferences", json=change, headers={"Idempotency-Key": '"likes-tea"'}) for _ in range(2)
    )
    assert (first.status_code, first.content) == (200, again.content)
    assert again.headers["idempotency-replayed"] == "true"
