"""How often a key may ask, and how much is answered at once: the rest is told so at once, with a time to come back."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.server import Server, key_for, problem
from support.shop import DRINKER, Shop
from support.waiting import until

from serving.admission import MAX_HELD, SMALL_BODY, Admission, TurnedAwayError
from serving.metrics import Metrics

ASKED = {"subject": DRINKER, "channel": "email"}


def test_a_place_is_free_again_whatever_happened() -> None:
    admission = Admission(2, None, Metrics())
    for _ in range(3):
        with contextlib.suppress(KeyError), admission.place(), admission.place():
            with pytest.raises(TurnedAwayError) as caught, admission.place():
                pass
            assert caught.value.headers == {"Retry-After": "1"}
            raise KeyError


def test_each_key_has_a_rate_of_its_own() -> None:
    admission = Admission(1, "3/minute;1000/hour", Metrics())
    for key in ("a", "b"):
        for _ in range(3):
            admission.count(key)
        with pytest.raises(TurnedAwayError) as caught:
            admission.count(key)
        assert caught.value.problem.status == 429
        assert 1 <= int((caught.value.headers or {})["Retry-After"]) <= 60


@pytest.mark.parametrize("rate", ["3/minute", "30/minute", "1000/hour", "100/second", "3/minute;4/hour", "1/day"])
def test_after_the_time_that_it_is_told_a_key_is_let_in(rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in a window it asks, and however full the one before is."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    for pause in (0.0, 0.5, 10.0, 29.0, 45.0, 59.9, 100.0, 1800.0, 3590.0, 80_000.0):
        admission = Admission(1, rate, Metrics())
        for _ in range(3):
            clock[0] += pause
            with pytest.raises(TurnedAwayError) as caught:
                while True:
                    admission.count("a")
            told = int((caught.value.headers or {})["Retry-After"])
            clock[0] += told - 1.1
            if told > 1:
                with pytest.raises(TurnedAwayError):
                    admission.count("a")
            clock[0] += 1.1
            admission.count("a")


def test_without_a_rate_there_is_none() -> None:
    admission = Admission(1, None, Metrics())
    for _ in range(1000):
        admission.count("a")


def test_large_bodies_share_what_room_there_is() -> None:
    admission, whole = Admission(1, None, Metrics()), (1 << 20) + SMALL_BODY
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_HELD >> 20):
            growing = stack.enter_context(admission.body())
            for size in (100, whole // 2, whole):
                growing(size)
        with pytest.raises(TurnedAwayError) as caught, admission.body() as growing:
            growing(SMALL_BODY)  # always has room
            growing(SMALL_BODY + 1)
        assert caught.value.problem.status == 503
    with admission.body() as growing:
        growing(whole)  # all of it is free again


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shop.folder / "admission.db"
    state.write_bytes(loaded.read_bytes())
    environment = {"RECSYS_SERVE_MAX_IN_FLIGHT": "2", "RECSYS_SERVE_RATE_LIMIT": "30/minute"}
    with Server(*shop.serve_options(f"sqlite:///{state}"), environment=environment) as running:
        yield running


def figure(server: Server, why: str) -> float:
    """How many were turned away."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f'recsys_turned_away_total{{why="{why}"}}'))


@pytest.mark.slow
def test_more_at_once_than_there_are_places(server: Server) -> None:
    """Two wait for a store that is locked; the third is told at once; then all is as before."""
    done: list[int] = []

    def ask() -> None:
        done.append(
            httpx.post(f"{server.url}/v1/decisions", json=ASKED, headers=server.http.headers, timeout=60).status_code
        )

    with contextlib.closing(sqlite3.connect(server.state.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        deadline = time.monotonic() + 20
        while "recsys_in_flight 2.0" not in httpx.get(f"{server.url}/metrics").text:  # needs no place
            assert time.monotonic() < deadline
        began = time.monotonic()
        response = server.http.post("/v1/decisions", json=ASKED)
        taken = time.monotonic() - began
        other.rollback()
    for asker in askers:
        asker.join()
    assert problem(response, 503)["type"] == "urn:recsys:problem:overloaded"
    assert response.headers["retry-after"] == "1"
    assert taken < 2
    assert set(done) <= {200, 503}  # they waited as long as the store lets them
    assert len(done) == 2
    assert server.ask(DRINKER)["items"]
    assert figure(server, "overload") == 1


@pytest.mark.slow
def test_the_time_of_answers_is_of_those_that_were_given(server: Server) -> None:
    """Refusals come at once: counted in, they would make a service fast that turns everybody away."""
    problem(httpx.post(f"{server.url}/v1/decisions", json=ASKED), 401)
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    asked = [line for line in lines if line.startswith('recsys_requests_total{method="POST",route="/v1/decisions"')]
    answers = {line.split('"')[5]: float(line.split()[-1]) for line in asked}
    assert answers.keys() == {"200", "401", "503"}
    (timed,) = (line for line in lines if line.startswith('recsys_request_seconds_count{route="/v1/decisions"}'))
    assert float(timed.split()[-1]) == answers["200"]


@pytest.mark.slow
def test_a_key_that_asks_too_often(server: Server) -> None:
    headers = {"authorization": f"Bearer {key_for(server.state, ['decide'])}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as greedy:
        until(lambda: time.time() % 60 < 40)  # in another minute it may ask again
        statuses = [greedy.post("/v1/decisions", json=ASKED).status_code for _ in range(30)]
        assert set(statuses) == {200}
        response = greedy.post("/v1/decisions", json=ASKED)
        assert greedy.get("/health/live").status_code == httpx.codes.OK
    document = problem(response, 429)
    assert document["type"] == "urn:recsys:problem:rate-limit"
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert server.ask(DRINKER)["items"]  # another key
    assert figure(server, "rate") == 1
    server.stop()
    assert "rate-limit" not in server.output  # no line for each
