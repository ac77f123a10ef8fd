"""What is refused over HTTP, and how: a problem document with the right status, for every error that there is."""

from __future__ import annotations

import json
import socket

import pytest
from support.server import Server, problem
from support.shop import DRINKER, FOREIGN, MILK, NOW

PATHS = ("/v1/decisions", "/v1/events")
JSON = {"content-type": "application/json"}
ASKED = {"subject": DRINKER, "channel": "email"}
BOUGHT = {"event_id": "e1", "type": "purchase", "subject": DRINKER, "item": MILK, "at": NOW, "quantity": 1}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "input data was truncated"),
        (b"{", "input data was truncated"),
        (b"nonsense", "malformed JSON"),
        (b'{"subject": "\xff\xfe"}', "not UTF-8"),
        (b"null", "expected `object | array`, got `null`"),
        (b'"text"', "expected `object | array`, got `str`"),
        (b"[]", "expected `array` of length >= 1"),
        (b"{}", "object missing required field"),
        (b'{"a-field": 1}', "object contains a field that the contract does not know"),
        (b'{"subject": ' + b"[" * 100_000, "expected `str`, got `array`"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_body_that_breaks_the_contract(path: str, body: bytes, what: str, server: Server) -> None:
    document = problem(server.http.post(path, content=body, headers=JSON), 422)
    assert document["type"] == "urn:recsys:problem:contract"
    [error] = document["errors"]
    assert error["what"].startswith(what)
    assert error["field"] in str(document["detail"])


def test_a_body_that_is_nested_too_deeply(server: Server) -> None:
    for path, what in zip(PATHS, ("$[0]: expected `object`, got `array`", "$: nested too deeply"), strict=True):
        document = problem(server.http.post(path, content=b"[" * 100_000, headers=JSON), 422)
        assert document["detail"] == what


@pytest.mark.parametrize(
    ("change", "field", "what"),
    [
        ({"count": 0}, "$.count", "expected `int` >= 1"),
        ({"count": 101}, "$.count", "expected `int` <= 100"),
        ({"count": 2.5}, "$.count", "expected `int`, got `float`"),
        ({"count": "3"}, "$.count", "expected `int`, got `str`"),
        ({"count": True}, "$.count", "expected `int`, got `bool`"),
        ({"channel": None}, "$.channel", "expected `str`, got `null`"),
        ({"channel": ""}, "$.channel", "not the name of a channel"),
        ({"channel": "x" * 65}, "$.channel", "not the name of a channel"),
        ({"channel": "by post"}, "$.channel", "not the name of a channel"),
        ({"placement": 3}, "$.placement", "expected `str | null`, got `int`"),
        ({"exclude": "all"}, "$.exclude", "expected `array`, got `str`"),
        ({"exclude": ["o"] * 1001}, "$.exclude", "expected `array` of length <= 1000"),
        ({"exclude": ["a", "b c"]}, "$.exclude[1]", "not a name"),
        ({"explain": True}, "$", "object contains a field that the contract does not know"),
        ({"subject": 7}, "$.subject", "expected `str`, got `int`"),
    ],
)
def test_a_field_that_breaks_the_contract_is_named(
    change: dict[str, object], field: str, what: str, server: Server
) -> None:
    for number, body in enumerate([{**ASKED, **change}, [ASKED, {**ASKED, **change}]]):
        document = problem(server.http.post("/v1/decisions", json=body), 422)
        [error] = document["errors"]
        assert error["field"] == field.replace("$", "$[1]" if number else "$")
        assert error["what"].startswith(what)
        assert "/openapi.json" in error["mend"]


@pytest.mark.parametrize("text", ["anna.berg@example.org", "", "s1.rec.01", DRINKER.upper(), f"{DRINKER}\n"])
@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_token_is_said_not_to_be_one(path: str, text: str, server: Server) -> None:
    body = {**(ASKED if path == "/v1/decisions" else BOUGHT), "subject": text}
    document = problem(server.http.post(path, json=body), 422)
    assert document["type"] == "urn:recsys:problem:token"
    assert document["errors"] == [
        {
            "field": "$.subject",
            "what": "not a token (what was sent is not repeated here)",
            "mend": "Send the token that the identity gate made, never an identifier",
        }
    ]


def test_a_token_of_another_domain_is_refused(server: Server) -> None:
    document = problem(server.http.post("/v1/decisions", json=[ASKED, {**ASKED, "subject": FOREIGN}]), 422)
    assert document["detail"] == "$[1].subject: a token of another domain or epoch (accepted here: rec.01)"
    assert FOREIGN not in str(document)
    assert problem(server.http.post("/v1/events", json={**BOUGHT, "basket": FOREIGN}), 422)["title"] == (
        "Not a token that is accepted here"
    )


@pytest.mark.parametrize(("path", "limit", "one"), [("/v1/decisions", 100, ASKED), ("/v1/events", 1000, BOUGHT)])
def test_more_at_once_than_allowed(path: str, limit: int, one: dict[str, object], server: Server) -> None:
    assert server.http.post(path, json=[one] * limit).status_code == 200
    document = problem(server.http.post(path, json=[one] * (limit + 1)), 422)
    assert document["detail"] == f"$: expected `array` of length <= {limit}"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("megabytes", [1.01, 3, 40])
def test_a_body_that_is_too_large(path: str, megabytes: float, server: Server) -> None:
    body = b'{"subject": "' + b"x" * int(megabytes * (1 << 20))
    document = problem(server.http.post(path, content=body, headers=JSON), 413)
    assert document["type"] == "urn:recsys:problem:too-large"
    assert server.ask(DRINKER)["items"]


def test_a_large_body_in_pieces_is_counted_too(server: Server) -> None:
    document = problem(server.http.post(PATHS[0], content=(b" " * 65536 for _ in range(20)), headers=JSON), 413)
    assert document["title"] == "The body is too large"


@pytest.mark.parametrize("declared", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_not_declared_as_json(path: str, declared: str | None, server: Server) -> None:
    headers = {"content-type": declared} if declared else {}
    document = problem(server.http.post(path, content=json.dumps(ASKED).encode(), headers=headers), 415)
    assert "Content-Type: application/json" in str(document["detail"])


def test_a_charset_may_be_named(server: Server) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert server.http.post("/v1/decisions", content=json.dumps(ASKED), headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/decisions/", "/v1/nothing", "/docs", "/redoc", "/%2e%2e/etc/passwd"])
def test_a_path_that_is_not_there(path: str, server: Server) -> None:
    document = problem(server.http.get(path), 404)
    assert (document["type"], document["title"]) == ("about:blank", "Not Found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_is_not_there(path: str, method: str, server: Server) -> None:
    response = server.http.request(method, path)
    assert problem(response, 405)["title"] == "Method Not Allowed"
    assert response.headers["allow"] == "POST"


def test_a_caller_who_hangs_up_harms_nobody(server: Server) -> None:
    address = (server.http.base_url.host, server.http.base_url.port)
    with socket.create_connection(address) as connection:
        connection.sendall(b"POST /v1/decisions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
        connection.sendall(b'content-length: 1000\r\n\r\n{"subject"')
    assert server.ask(DRINKER)["items"]
