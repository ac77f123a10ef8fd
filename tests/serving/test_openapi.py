"""/openapi.json: valid, complete, and true of what the server really answers."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from support.server import Server
from support.shop import DRINKER, MILK, NOW, STRANGER

ASKED = {"subject": DRINKER, "channel": "email"}
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
    ("get", "/health/live", 200, {}),
    ("get", "/health/ready", 200, {}),
]


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
    assert set(document["paths"]) == {"/v1/decisions", "/v1/events", "/health/live", "/health/ready"}


@pytest.mark.parametrize(("method", "path", "status", "request_"), ANSWERED)
def test_every_answer_is_as_documented(
    method: str, path: str, status: int, request_: dict[str, Any], document: dict[str, Any], server: Server
) -> None:
    response = server.http.request(method, path, **request_)
    assert response.status_code == status
    content = document["paths"][path][method]["responses"][str(status)]["content"]
    media_type = response.headers["content-type"]
    assert list(content) == [media_type]
    fits(document, content[media_type]["schema"], response.json())


def test_every_status_is_documented(document: dict[str, Any]) -> None:
    statuses = {
        path: set(operation["responses"]) for path, by in document["paths"].items() for operation in by.values()
    }
    asked = {"200", "413", "415", "422", "500", "503"}
    assert statuses == {
        "/v1/decisions": asked,
        "/v1/events": asked,
        "/health/live": {"200", "500"},
        "/health/ready": {"200", "500", "503"},
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
    assert seen >= 20


def test_every_example_of_a_request_is_understood(document: dict[str, Any], server: Server) -> None:
    """The examples name people and items of another shop, but break no contract."""
    for path in ("/v1/decisions", "/v1/events"):
        examples = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for example in examples.values():
            assert server.http.post(path, json=example["value"]).status_code == httpx.codes.OK
