"""An identifier or a secret sent by mistake, in every field of every endpoint: it is nowhere afterwards.

The controls show that it would be found.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.search import contents, found
from support.server import Server
from support.shop import DRINKER, MILK, NOW, Shop
from support.tokens import token

pytestmark = pytest.mark.slow

LEAK = "anna.berg@example.org"
KEY = f"rk1.{secrets.token_hex(6)}.{secrets.token_urlsafe(32)}"
NUMBERED = re.compile(r"\\u00([0-7][0-9a-f])")
HEADERS = {"content-type": "application/json"}
YES = {"granted": True, "at": NOW, "source": "form"}
WHOLE: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/decisions"): {
        "subject": DRINKER,
        "channel": "email",
        "placement": "top",
        "count": 1,
        "exclude": ["offer-1"],
        "session_consents": ["profiling"],
        "gpc": False,
    },
    ("POST", "/v1/events"): {
        "event_id": "e-1",
        "type": "purchase",
        "subject": DRINKER,
        "at": NOW,
        "item": MILK,
        "channel": "email",
        "offer_id": "offer-milk-1",
        "decision_id": "0" * 32,
        "quantity": 1,
        "value": 2.5,
        "basket": DRINKER,
        "reason": "none",
        "expires": NOW,
    },
    ("POST", "/v1/preferences/read"): {"subject": DRINKER},
    ("PUT", "/v1/preferences"): {
        "subject": DRINKER,
        "consents": {"profiling": YES},
        "gpc": False,
        "undo": [],
        "interests": ["tea"],
        "dismiss": [{"scope": "offer", "value": "offer-1", "reason": "none", "expires": NOW}],
    },
    ("POST", "/v1/subjects/access"): {"subject": DRINKER},
    ("POST", "/v1/subjects/erase"): {
        "contract": "erasure-order/1",
        "order_id": "0" * 32,
        "recipient": "serving",
        "issued_at": NOW,
        "subjects": [token("nobody")],
    },
    ("POST", "/v1/policies/simulate"): {
        "policy": "version = 1",
        "subjects": [DRINKER],
        "channel": "email",
        "placement": "top",
        "count": 1,
    },
}


def broken(whole: dict[str, Any], leak: str) -> Iterator[object]:
    """The body with the leak in one place."""
    for field, value in whole.items():
        for wrong in (leak, [leak], {leak: leak}, {**value, leak: leak} if isinstance(value, dict) else leak):
            yield {**whole, field: wrong}
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else None
        for name in inner or {}:
            yield {**whole, field: [{**inner, name: leak}]}
        if isinstance(value, dict):
            for name, deep in value.items():
                yield from ({**whole, field: {name: {**deep, part: leak}}} for part in deep)
    yield {**whole, leak: 1}
    yield from (leak, [leak, [leak], {leak: leak}])


def escaped(whole: dict[str, Any], leak: str) -> Iterator[str]:
    """The body with the leak in one place, where JSON names one or all of its characters by number."""
    for field, value in whole.items():
        wrong = [leak] if isinstance(value, list) else leak
        for number in (1, len(leak)):
            numbered = "".join(f"\\u{ord(character):04x}" for character in leak[:number]) + leak[number:]
            yield json.dumps({**whole, field: wrong}).replace(leak, numbered)


def requests(leak: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and the rest of a request that holds the leak in one place."""
    for (method, path), whole in WHOLE.items():
        for body in broken(whole, leak):
            yield method, path, {"json": body}
            if path in {"/v1/decisions", "/v1/events"}:
                yield method, path, {"json": [whole, body]}
        yield method, path, {"content": f'{{"subject": {leak}', "headers": HEADERS}
        yield method, path, {"content": leak.encode() + b"\xff", "headers": HEADERS}
        yield from ((method, path, {"content": body, "headers": HEADERS}) for body in escaped(whole, leak))
        yield method, path, {"content": leak, "headers": {"content-type": leak}}
        yield method, path, {"json": {}, "headers": {"authorization": f"Bearer {leak}"}}
        yield method, path, {"json": {}, "headers": {"idempotency-key": leak, "x-customer": leak}}
        yield method, path, {"json": whole, "params": {"q": leak}, "headers": {"idempotency-key": f'"{leak}"'}}
        yield "GET", f"{path}/{leak}", {}
        yield "DELETE", f"{path}?subject={leak}", {}
    yield "GET", f"/v1/decisions/{leak}", {"params": {"offer": leak}}
    yield "GET", f"/v1/decisions/{'0' * 32}", {"params": {"offer": leak}}
    yield "POST", "/v1/reload", {"content": leak, "params": {leak: leak}}
    yield "GET", f"/{leak}", {}
    for path in ("/health/ready", "/metrics", "/v1/models"):
        yield "GET", path, {"headers": {"user-agent": leak}, "params": {leak: leak}}


@dataclass(frozen=True)
class Traces:
    """All responses with their requests, the metrics, all that the server printed, and its files while it ran."""

    responses: list[httpx.Response]
    metrics: str
    output: str
    folder: Path


@pytest.fixture(scope="module")
def traces(shop: Shop, loaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "state.db").write_bytes(loaded.read_bytes())
    environment = {"RECSYS_SERVE_LOG_LEVEL": "debug"}
    with Server(*shop.serve_options(f"sqlite:///{folder / 'state.db'}"), environment=environment) as server:
        responses = [
            server.http.request(method, path, **more) for leak in (LEAK, KEY) for method, path, more in requests(leak)
        ]
        server.tell({**WHOLE["POST", "/v1/events"], "event_id": "control-event"})
        metrics = server.http.get("/metrics").text
        (folder / "seen").mkdir()
        for file in folder.glob("state.db*"):
            (folder / "seen" / file.name).write_bytes(file.read_bytes())
        server.stop()
    return Traces(responses, metrics, server.output, folder)


def test_no_response_repeats_it(traces: Traces) -> None:
    assert len(traces.responses) > 500
    statuses = {response.status_code for response in traces.responses}
    assert statuses <= {200, 400, 401, 404, 405, 409, 415, 422}
    assert {200, 400, 401, 404, 405, 415, 422} <= statuses
    for response in traces.responses:
        said = f"{response.headers}{response.text}"
        assert found(said.encode(), [LEAK, "anna.berg", KEY, KEY[-43:]]) == [], response.request.url


def test_what_stands_in_a_field_of_the_contract_is_refused(traces: Traces) -> None:
    """Taken are untouched events beside a broken one, and what had it in a place that is not read, or is hashed."""
    for response in traces.responses:
        request = response.request
        sent = NUMBERED.sub(lambda found: chr(int(found[1], 16)), request.content.decode(errors="replace"))
        if response.status_code == httpx.codes.OK and (LEAK in sent or KEY in sent):
            assert request.url.path in {"/v1/events", "/v1/reload"}, sent
            assert request.url.path == "/v1/reload" or response.json()["rejected"], sent


def test_the_server_prints_it_nowhere(traces: Traces) -> None:
    lines = [json.loads(line) for line in traces.output.splitlines() if line.startswith("{")]
    assert {"/v1/decisions", "/v1/preferences"} <= {line.get("route") for line in lines}  # the control
    for said in (traces.output, traces.metrics):
        assert found(said.encode(), [LEAK, "anna.berg", KEY, KEY[-43:], DRINKER]) == []


def test_no_file_of_the_store_holds_it(traces: Traces) -> None:
    seen = traces.folder / "seen"
    assert {file.name for file in seen.iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    needles = [LEAK, "anna.berg", KEY, KEY[-43:], DRINKER, "control-event"]
    assert found(contents(traces.folder), needles) == ["control-event", DRINKER]
    (seen / "state.db-wal").write_bytes(LEAK.encode())
    assert found(contents(traces.folder), [LEAK]) == [LEAK]
