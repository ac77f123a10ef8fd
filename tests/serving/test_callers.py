"""Keys and scopes over HTTP: who may do what; a refusal repeats nothing; what is revoked ends."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.server import Server, key_for, problem
from support.shop import DRINKER, Shop

from serving.keys import SCOPES
from serving.stores import open_store

pytestmark = pytest.mark.slow

ASKED = {"subject": DRINKER, "channel": "email"}
WHOSE = {"subject": DRINKER}
OPERATIONS: dict[tuple[str, str], tuple[str, object]] = {
    ("POST", "/v1/decisions"): ("decide", ASKED),
    ("GET", f"/v1/decisions/{'0' * 32}"): ("explain", None),
    ("POST", "/v1/events"): ("events", []),
    ("POST", "/v1/preferences/read"): ("subject", WHOSE),
    ("PUT", "/v1/preferences"): ("subject", WHOSE),
    ("POST", "/v1/subjects/access"): ("subject", WHOSE),
    ("POST", "/v1/subjects/erase"): ("subject", {"subjects": []}),
    ("POST", "/v1/policies/simulate"): ("explain", {}),
    ("GET", "/v1/models"): ("admin", None),
    ("POST", "/v1/reload"): ("admin", None),
}
OPEN = ("/health/live", "/health/ready", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    return {scope: key_for(server.state, [scope]) for scope in SCOPES}


@pytest.fixture
def anybody(server: Server) -> Iterator[httpx.Client]:
    """A caller without a key."""
    with httpx.Client(base_url=server.http.base_url, timeout=30) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_each_operation_needs_its_scope_and_no_other(
    method: str, path: str, keys: dict[str, str], anybody: httpx.Client
) -> None:
    needed, body = OPERATIONS[method, path]
    for scope, key in keys.items():
        response = anybody.request(method, path, json=body, headers=bearer(key))
        if scope == needed:
            assert response.status_code not in {401, 403}, response.text
        else:
            assert problem(response, 403)["detail"] == f"The key lacks the scope {needed}"
    unknown = problem(anybody.request(method, path, json=body), 401)
    assert unknown["type"] == "urn:recsys:problem:unauthorized"


def test_a_path_that_is_new_needs_a_scope_here_too(server: Server) -> None:
    """The list above names every operation."""
    paths = server.http.get("/openapi.json").json()["paths"]
    listed = {path.replace("0" * 32, "{decision_id}") for _, path in OPERATIONS}
    assert {path for path in paths if path.startswith("/v1/")} == listed


def test_some_need_none(anybody: httpx.Client) -> None:
    for path in OPEN:
        assert anybody.get(path).status_code == httpx.codes.OK


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key.replace("rk1", "rk2"),
        lambda key: f"rk1.{'0' * 12}.{key[-43:]}",
        lambda key: key + "A",
        lambda _: "anna.berg@example.org",
    ],
)
def test_a_key_that_is_almost_one(change: object, keys: dict[str, str], anybody: httpx.Client) -> None:
    sent = change(keys["decide"])
    response = anybody.post("/v1/decisions", json=ASKED, headers=bearer(sent))
    document = problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert not sent or sent not in f"{document}{response.headers}"
    basic = anybody.post("/v1/decisions", json=ASKED, headers={"authorization": f"Basic {keys['decide']}"})
    assert problem(basic, 401)


def test_a_revoked_key_ends(shop: Shop, state: str) -> None:
    with Server(*shop.serve_options(state)) as server, contextlib.closing(open_store(state)) as store:
        assert server.ask(DRINKER)["items"]
        assert store.keys.revoke(server.key.split(".")[1], now=dt.datetime.now(dt.UTC))
        deadline = time.monotonic() + 20
        while server.http.post("/v1/decisions", json=ASKED).status_code == httpx.codes.OK:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        problem(server.http.post("/v1/decisions", json=ASKED), 401)
        server.stop()
        assert server.key not in server.output
        assert server.key[-43:] not in server.output


def test_no_key_stands_in_the_store(server: Server) -> None:
    path = Path(server.state.removeprefix("sqlite:///"))
    whole = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert server.key.split(".")[1].encode() in whole  # the control: its public part does
    assert server.key[-43:].encode() not in whole
