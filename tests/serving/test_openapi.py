"""/openapi.json: valid, complete, and true of what the server really answers."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from support.server import Server
from support.shop import DRINKER, MILK, NOW, STRANGER
from support.tokens import token

ASKED = {"subject": DRINKER, "channel": "email"}
LEAVER = token("leaver of the document")
SIMULATED = {"policy": "version = 1\n", "subjects": [DRINKER], "channel": "email"}
BOUGHT = {"event_id": "openapi.1", "type": "purchase", "subject": STRANGER, "item": MILK, "at": NOW, "quantity": 1}
ANSWERED: list[tuple[str, str, int, dict[str, Any]]] = [
    ("post", "/v1/decisions", 200, {"json": ASKED}),
    ("post", "/v1/decisions", 200, {"json": [ASKED, {**ASKED, "subject": STRANGER}]}),
    ("post", "/v1/decisions", 422, {"json": {}}),
    ("post", "/v1/decisions", 422, {"json": {**ASKED, "subject": "x"}}),
    ("post", "/v1/decisions", 415, {"content": "{}"}),
    ("post", "/v1/decisions", 413, {"json": "x" * (1 << 21)}),
    ("post", "/v1/events", 200, {"json": BOUGHT}),
    ("post", "/v1/events", 200, {"json": [BOUGHT, {**BOUGHT, "item": "nothing"}, 7]}),
    ("post", "/v1/events", 422, {"json": {}}),
    ("post", "/v1/events", 415, {"content": "[]"}),
    ("post", "/v1/events", 413, {"json": "x" * (1 << 21)}),
    ("post", "/v1/decisions", 400, {"json": {**ASKED, "reserve_seconds": 9}}),
    ("post", "/v1/decisions", 401, {"json": ASKED, "headers": {"authorization": "Bearer x"}}),
    ("get", f"/v1/decisions/{'0' * 32}", 404, {}),
    ("get", f"/v1/decisions/{'0' * 32}?offer=b%20c", 400, {}),
    ("post", "/v1/preferences/read", 200, {"json": {"subject": DRINKER}}),
    ("post", "/v1/preferences/read", 422, {"json": {"subject": "x"}}),
    ("put", "/v1/preferences", 200, {"json": {"subject": STRANGER, "interests": ["tea"]}}),
    ("put", "/v1/preferences", 422, {"json": {"subject": STRANGER, "interests": 7}}),
    ("post", "/v1/subjects/access", 200, {"json": {"subject": DRINKER}}),
    ("post", "/v1/subjects/erase", 200, {"json": {"subjects": [LEAVER]}}),
    ("put", "/v1/preferences", 410, {"json": {"subject": LEAVER, "interests": ["tea"]}}),
    ("post", "/v1/policies/simulate", 200, {"json": SIMULATED}),
    ("post", "/v1/policies/simulate", 422, {"json": {**SIMULATED, "policy": "version = 9"}}),
    ("get", "/v1/models", 200, {}),
    ("post", "/v1/reload", 200, {}),
    ("get", "/health/live", 200, {}),
    ("get", "/health/ready", 200, {}),
]
KEY = {"401", "403", "429", "503"}
BODY = {"413", "415", "422"}
ONCE = {"400", "409", "422"}
DOCUMENTED = {
    "post /v1/decisions": KEY | BODY | ONCE | {"503"},
    "get /v1/decisions/{decision_id}": KEY | {"400", "404", "422", "503"},
    "post /v1/events": KEY | BODY | ONCE | {"503"},
    "post /v1/preferences/read": KEY | BODY | {"503"},
    "put /v1/preferences": KEY | BODY | ONCE | {"410", "503"},
    "post /v1/subjects/access": KEY | BODY | {"503"},
    "post /v1/subjects/erase": KEY | BODY | ONCE | {"503"},
    "post /v1/policies/simulate": KEY | BODY | {"503"},
    "get /v1/models": KEY,
    "post /v1/reload": KEY | {"409", "503"},
    "get /health/live": set(),
    "get /health/ready": {"503"},
    "get /metrics": set(),
}


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    response = server.http.get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


def fits(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Raises unless `value` fits `schema`, whose references point into the document."""
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize(("method", "path", "status", "request_"), ANSWERED)
def test_every_answer_is_as_documented(
    method: str, path: str, status: int, request_: dict[str, Any], document: dict[str, Any], server: Server
) -> None:
    response = server.http.request(method, path, **request_)
    assert response.status_code == status
    template = "/v1/decisions/{decision_id}" if path.startswith("/v1/decisions/") else path
    content = document["paths"][template][method]["responses"][str(status)]["content"]
    media_type = response.headers["content-type"]
    assert list(content) == [media_type]
    fits(document, content[media_type]["schema"], response.json())


def test_every_status_is_documented(document: dict[str, Any]) -> None:
    statuses = {
        f"{method} {path}": set(operation["responses"])
        for path, by in document["paths"].items()
        for method, operation in by.items()
    }
    assert statuses == {name: {"200", "500"} | others for name, others in DOCUMENTED.items()}


def test_every_operation_says_which_scope_it_needs(document: dict[str, Any]) -> None:
    """And no parameter of a path or query ever names a person."""
    for path, by in document["paths"].items():
        for operation in by.values():
            assert bool(operation["security"]) == path.startswith("/v1/")
            assert {p["name"] for p in operation.get("parameters", [])} <= {
                *("decision_id", "offer", "Idempotency-Key", "Sec-GPC")
            }


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for holder in [*bodies, *operation["responses"].values()]:
            for content in holder["content"].values():
                examples = [each["value"] for each in content.get("examples", {}).values()]
                for example in [*examples, *([content["example"]] if "example" in content else [])]:
                    fits(document, content["schema"], example)
                    seen += 1
    assert seen >= 60


def test_every_example_of_a_request_is_understood(document: dict[str, Any], server: Server) -> None:
    """The examples name people and items of another shop, but break no contract."""
    for path, by in document["paths"].items():
        for method, operation in by.items():
            body = operation.get("requestBody", {"content": {"application/json": {"examples": {}}}})
            for name, example in body["content"]["application/json"]["examples"].items():
                headers = {"Idempotency-Key": f'"{path}.{name}"'} if name == "push" else {}
                answered = server.http.request(method, path, json=example["value"], headers=headers)
                # 410: the example of an erasure came first
                assert answered.status_code in {httpx.codes.OK, httpx.codes.GONE}, f"{path}: {answered.text}"
