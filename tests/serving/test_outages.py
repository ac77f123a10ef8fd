"""When something fails beneath the server: it says so, gives nothing away, and goes on. The tests build on each other's
server, and the last one ends it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.raw import answered, refused
from support.server import Server, problem
from support.shop import DRINKER, MILK, NOW, Shop
from support.tokens import token

LEAK = "anna.berg@example.org"
ASKED = {"subject": DRINKER, "channel": "email"}
BOUGHT = {"event_id": "e1", "type": "purchase", "subject": DRINKER, "item": MILK, "at": NOW, "quantity": 1}


@pytest.fixture(scope="module")
def path(shop: Shop, loaded: Path) -> Path:
    return shutil.copy(loaded, shop.folder / "outages.db")


@pytest.fixture(scope="module")
def server(shop: Shop, path: Path) -> Iterator[Server]:
    with Server(*shop.serve_options(f"sqlite:///{path}")) as running:
        yield running


def test_a_store_that_is_locked_takes_no_events_and_lets_no_decision_out(server: Server, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        document = problem(server.http.post("/v1/events", json=BOUGHT), 503)
        assert document["type"] == "urn:recsys:problem:store-unavailable"
        assert document["detail"] == "Nothing was decided or recorded: the state is locked by another process"
        refused = problem(server.http.post("/v1/decisions", json=ASKED), 503)  # it could not be written down
        assert refused["detail"] == document["detail"]
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            for response in pool.map(lambda _: server.http.get("/health/ready"), range(16)):
                problem(response, 503)
        assert time.monotonic() - began < 6  # one try for all of them
    assert server.ask(DRINKER)["fill"] == "personal"
    assert server.tell(BOUGHT)["accepted"] == 1
    assert server.http.get("/health/ready").status_code == 200


def test_the_unexpected_is_a_problem_without_details(server: Server, path: Path) -> None:
    """A trigger makes the database fail with a text of its own, as a bug of ours could."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"CREATE TRIGGER t BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, '{LEAK}'); END")
    response = server.http.post("/v1/events", json={**BOUGHT, "event_id": "e2"})
    assert problem(response, 500)["type"] == "urn:recsys:problem:internal"
    assert LEAK not in response.text + str(response.headers)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TRIGGER t")
    assert server.tell({**BOUGHT, "event_id": "e2"})["accepted"] == 1


def test_what_strangers_are_told(server: Server) -> None:
    """What the log says of it: see the last test."""
    made_up = {"Authorization": f"Bearer rk1.{'0' * 12}.{'A' * 43}"}
    for _ in range(5):
        problem(httpx.post(f"{server.url}/v1/decisions", json=ASKED), 401)
        problem(httpx.post(f"{server.url}/v1/decisions", json=ASKED, headers=made_up), 401)
        problem(server.http.get(f"/v1/decisions/{'0' * 32}"), 404)
        refused(answered(server, b"no request\r\n\r\n"), 400)
    problem(server.http.post("/v1/decisions", json={}), 422)


def test_without_its_store_it_decides_nothing(server: Server, path: Path) -> None:
    """The file is damaged while the server runs: no consent can be known, and so nothing goes out. It is mended where
    it lies, and the server goes on."""
    assert server.http.get("/health/ready").status_code == 200
    time.sleep(1.1)  # that holds for a second
    whole = {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
    for file, content in whole.items():
        over(file, b"\xff" * len(content))
    for response in (
        server.http.post("/v1/decisions", json=ASKED),
        server.http.post("/v1/events", json={**BOUGHT, "event_id": "e3"}),
        server.http.get("/health/ready"),
    ):
        assert str(path) not in str(problem(response, 503))
    assert server.http.get("/health/live").json() == {"status": "live"}
    for file, content in whole.items():
        over(file, content)
    assert server.http.get("/health/ready").status_code == 200
    assert server.ask(DRINKER)["fill"] == "personal"
    assert server.tell({**BOUGHT, "event_id": "e3"})["accepted"] == 1


def test_of_one_person_what_is_damaged_is_said_and_nobody_else_is_hurt(server: Server, path: Path) -> None:
    shown = {**BOUGHT, "type": "exposure", "offer_id": "offer-milk-1", "channel": "email"}
    other = token(1)
    assert server.tell({**shown, "event_id": "e4"})["accepted"] == 1
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE activity SET shown = substr(shown, 1, length(shown) / 2) WHERE subject = ?", [DRINKER])
    for response in (
        server.http.post("/v1/decisions", json=ASKED),
        server.http.post("/v1/events", json={**shown, "event_id": "e5"}),
        server.http.post("/v1/subjects/access", json={"subject": DRINKER}),
    ):
        assert problem(response, 503)["detail"] == "Nothing was decided or recorded: the state is damaged"
    assert server.tell({**shown, "event_id": "e6", "subject": other})["accepted"] == 1
    assert server.ask(other)["items"]


def over(file: Path, content: bytes) -> None:
    """Write over a file, which others have open and mapped into memory, without cutting it off in between."""
    with file.open("r+b") as there:
        there.write(content)


def test_the_log_names_the_type_and_the_place_only(server: Server) -> None:
    server.stop()
    assert "IntegrityError at " in server.output
    assert "the state is locked by another process" in server.output
    assert "Traceback" not in server.output
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    noted = Counter((line["route"], line["status"]) for line in lines if line["event"] == "request")
    assert noted == {
        ("/v1/decisions", 422): 1,
        ("/v1/decisions", 503): 3,
        ("/v1/events", 500): 1,
        ("/v1/events", 503): 3,
        ("/v1/subjects/access", 503): 1,
    }  # and none that somebody without a key could make as many of as they like
    assert "HTTP" not in server.output.partition("\n")[2]
    assert LEAK not in server.output
