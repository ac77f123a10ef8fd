"""Attacks on the HTTP interface of a real server: malformed and ambiguous requests, paths, bodies, and what leaks."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import time

import pytest
from support.load import resident
from support.raw import HOST, JSON, answered, bearer, connected, one_answer, parts, refused, rest
from support.server import Server, problem
from support.shop import DRINKER, NOW
from support.tokens import token

from web.problems import SECURITY_HEADERS

pytestmark = pytest.mark.slow

ASKED = json.dumps({"subject": DRINKER, "channel": "email"}).encode()
HEAD = b"POST /v1/decisions HTTP/1.1\r\n" + HOST + JSON
BODIES = {
    "/v1/decisions": "POST",
    "/v1/events": "POST",
    "/v1/preferences/read": "POST",
    "/v1/preferences": "PUT",
    "/v1/subjects/access": "POST",
    "/v1/subjects/erase": "POST",
    "/v1/policies/simulate": "POST",
}
OFFERS = (
    b"connection: Upgrade\r\nupgrade: h2c\r\n",
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    b"connection: keep-alive, upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
)
LENGTH = f"content-length: {len(ASKED)}\r\n".encode()


@pytest.mark.parametrize(
    "framing",
    [
        LENGTH + b"content-length: 3\r\n\r\n",
        LENGTH + b"transfer-encoding: chunked\r\n\r\n",
        b"content-length: +9\r\n\r\n",
        b"content-length: 9 9\r\n\r\n",
        b"content-length: -1\r\n\r\n",
        b"content-length: 99999999999999999999\r\n\r\n",
        b"transfer-encoding: identity, chunked, gzip\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"transfer-encoding : chunked\r\n\r\n",
        LENGTH + b"x-header: a\rb\r\n\r\n",
        LENGTH + b"x-header: a\x00b\r\n\r\n",
        LENGTH + b"x header: a\r\n\r\n",
        LENGTH + b"x-header\r\n\r\n",
    ],
    ids=lambda framing: repr(framing)[2:40],
)
def test_a_request_that_two_servers_could_read_differently(framing: bytes, server: Server) -> None:
    """Smuggling: a proxy and this server have to see the same requests, so that what is ambiguous is refused."""
    refused(answered(server, HEAD + bearer(server) + framing + ASKED), 400)


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS, on a port without
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health/live\r\n\r\n",
        b"NOTHING /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1 HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"EHLO mail.example.org\r\n",
    ],
)
def test_what_is_no_request(line: bytes, server: Server) -> None:
    refused(answered(server, line), 400)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v1/models/",
            "//v1/models",
            "/v1//models",
            "/v1/./models",
            "/v1/x/../models",
            "/V1/models",
            "/v1/models;x=1",
        ),
        *("/v1/models%00", "/v1/models%20", "/v1/models%0d%0aset-cookie:%20a=b", "/v1/models.json", "/v1\\models"),
        *("/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/etc/passwd"),
        *(
            "/static/../serving/settings.py",
            "/.env",
            "/.git/config",
            "/v1/decisions/..",
            "/v1/decisions/%2e%2e%2fmodels",
        ),
    ],
)
def test_a_path_that_is_a_trick(path: str, server: Server) -> None:
    """None leads anywhere, with a key that may do everything; none is redirected, and nothing of it comes back."""
    answer = answered(
        server, f"GET {path} HTTP/1.1\r\n".encode() + HOST + bearer(server) + b"connection: close\r\n\r\n"
    )
    status, headers, body = parts(answer)
    assert status == 404
    assert "location" not in headers
    assert "set-cookie" not in headers
    assert b"passwd" not in body


@pytest.mark.parametrize(
    "target", ["/v1/models", "/v1%2Fmodels", "/%76%31/models", "http://other/v1/models", "/v1/models?key=1"]
)
def test_a_path_that_is_written_otherwise_needs_the_same_key(target: str, server: Server) -> None:
    request = f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"connection: close\r\n"
    assert parts(answered(server, request + b"\r\n"))[0] == 401
    assert parts(answered(server, request + bearer(server) + b"\r\n"))[0] == 200
    assert (
        parts(answered(server, request + b"x-original-url: /health/live\r\nx-http-method-override: GET\r\n\r\n"))[0]
        == 401
    )


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_a_method_that_is_not_offered(method: str, server: Server) -> None:
    request = f"{method} /v1/models HTTP/1.1\r\n".encode() + HOST + bearer(server) + b"connection: close\r\n\r\n"
    assert parts(answered(server, request))[0] in {400, 404, 405}


def test_what_is_sent_becomes_no_header_of_the_answer(server: Server) -> None:
    evil = "a%0d%0aset-cookie:%20evil=1%0d%0a%0d%0aHTTP/1.1%20200%20OK"
    for request in (
        f"GET /v1/decisions/{evil}?offer={evil} HTTP/1.1\r\n".encode(),
        f"GET /{evil} HTTP/1.1\r\n".encode(),
        b"GET /v1/models HTTP/1.1\r\norigin: evil\r\nx-forwarded-host: evil\r\nx-request-id: evil\r\n",
    ):
        answer = answered(server, request + HOST + bearer(server) + b"connection: close\r\n\r\n")
        assert b"evil" not in answer
        assert b"set-cookie" not in answer.lower()
        assert answer.count(b"HTTP/1.1 ") == 1


def test_two_requests_in_one_piece_get_two_answers(server: Server) -> None:
    one = HEAD + bearer(server) + LENGTH + b"\r\n" + ASKED
    last = b"GET /health/live HTTP/1.1\r\nconnection: close\r\n" + HOST + b"\r\n"
    answer = answered(server, one + one + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b'"fill":"personal"') == 2


def test_what_comes_behind_a_refused_request_is_not_begun(server: Server) -> None:
    who = token("behind a refused request")
    asked = json.dumps({"subject": who, "interests": ["tea"]}).encode()
    behind = b"PUT /v1/preferences HTTP/1.1\r\n" + HOST + JSON + bearer(server)
    behind += f"content-length: {len(asked)}\r\n\r\n".encode() + asked
    refused(answered(server, b"GET /health/live HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n" + behind), 431)
    refused(answered(server, b"GET /health/live HTTP/0.9\r\n\r\n" + behind), 400)
    assert server.http.post("/v1/preferences/read", json={"subject": who}).json() == {}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_body_behind_an_offer_of_another_protocol_is_a_body(offer: bytes, pause: float, server: Server) -> None:
    """A proxy in front counts it to the request; here, too, it is never taken for the next one."""
    who = token("behind an offer")
    asked = json.dumps({"subject": who, "interests": ["tea"]}).encode()
    inner = b"PUT /v1/preferences HTTP/1.1\r\n" + HOST + JSON + bearer(server)
    inner += f"content-length: {len(asked)}\r\n\r\n".encode() + asked
    with connected(server) as connection:
        connection.sendall(HEAD + offer + f"content-length: {len(inner)}\r\n\r\n".encode())
        time.sleep(pause)
        connection.sendall(inner + b"GET /health/live HTTP/1.1\r\nconnection: close\r\n" + HOST + b"\r\n")
        answer = rest(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"401", b"200"]
    assert server.http.post("/v1/preferences/read", json={"subject": who}).json() == {}


@pytest.mark.parametrize("offer", OFFERS)
def test_whoever_offers_another_protocol_is_answered_in_this_one(offer: bytes, server: Server) -> None:
    """As Java's client does by itself on every connection."""
    request = HEAD + bearer(server) + offer + LENGTH + b"\r\n" + ASKED
    with connected(server) as connection:
        for _ in range(2):
            connection.sendall(request)
            status, headers, body = parts(one_answer(connection))
            assert (status, json.loads(body)["fill"]) == (200, "personal")
            assert "upgrade" not in headers


@pytest.mark.parametrize("path", BODIES)
def test_a_body_that_is_nested_without_end(path: str, server: Server) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"[" * 500_000, b'{"a":' * 100_000, b'{"subject":' * 90_000, b'[{"consents":{"a":' * 50_000):
        problem(server.http.request(BODIES[path], path, content=body, headers=headers), 422)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 50_000, "a = " + "{b = " * 50_000, "[" + "a." * 50_000 + "a]", "\x00", "\ud7ff" * 9]
)
def test_a_policy_that_is_nested_without_end(text: str, server: Server) -> None:
    body = {"policy": text, "subjects": [DRINKER], "channel": "email"}
    problem(server.http.post("/v1/policies/simulate", json=body), 422)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z"])
def test_an_instant_at_the_end_of_the_calendar(at: str, server: Server) -> None:
    """In every field that holds one; and what was kept of it can be read."""
    who = {"subject": token(f"calendar {at}")}
    said = {"type": "dismissal", "offer_id": "offer-milk-1", **who}
    change = {**who, "dismiss": [{"scope": "item", "value": "x", "expires": at}]}
    assert server.http.put("/v1/preferences", json=change).status_code == 200
    consent = {"profiling": {"granted": True, "at": at, "source": "form"}}
    problem(server.http.put("/v1/preferences", json={**who, "consents": consent}), 422)
    told = server.tell(
        {**said, "event_id": f"calendar{at[:4]}{at[-3]}", "at": NOW, "expires": at}, {**said, "event_id": "x", "at": at}
    )
    ends_before_it_begins = at.startswith("0001")
    assert (told["accepted"], len(told["rejected"])) == ((0, 2) if ends_before_it_begins else (1, 1))
    assert server.http.post("/v1/subjects/access", json=who).json()["held"]
    assert server.ask(**who)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_megabytes(chunked: bool, server: Server) -> None:  # noqa: FBT001 - a case
    """Refused, and never held: whoever sends it occupies a little over the megabyte that a body may have."""
    piece = b" " * (1 << 20)
    framing = b"transfer-encoding: chunked\r\n\r\n" if chunked else b"content-length: 104857600\r\n\r\n"
    sent = b"100000\r\n" + piece + b"\r\n" if chunked else piece
    before = resident([server.process.pid])
    with connected(server) as connection:
        connection.sendall(HEAD + bearer(server) + b"connection: close\r\n" + framing)
        most = before
        try:
            for _ in range(100):
                connection.sendall(sent)
                most = max(most, resident([server.process.pid]))
            connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it has heard enough
        answer = rest(connection)
    if answer:
        assert parts(answer)[0] == 413
    assert most - before < 24
    assert server.ask(DRINKER)["items"]


def test_many_bodies_that_are_half_sent(server: Server) -> None:
    """With a key that holds. What is held of all has a bound, beyond which they are told so; small ones get through."""
    assert server.ask(DRINKER)["items"]
    before, many = resident([server.process.pid]), 200
    with contextlib.ExitStack() as stack:
        sending = [stack.enter_context(connected(server)) for _ in range(many)]
        for connection in sending:
            connection.sendall(HEAD + bearer(server) + b"content-length: 1048576\r\n\r\n")
        for connection in sending:
            connection.sendall(b" " * 1_000_000)
        told: list[socket.socket] = []
        deadline = time.monotonic() + 8
        while len(told) < many - 34 and time.monotonic() < deadline:  # 34 fit
            told = select.select(sending, [], [], 0.1)[0]
        answers = [one_answer(connection) for connection in told]
        assert many - 34 <= len(answers) < many
        assert {parts(answer)[0] for answer in answers} == {503}
        assert parts(answers[0])[1]["retry-after"] == "1"
        assert resident([server.process.pid]) - before < 128  # what was let go is not all given back to the system
        assert server.ask(DRINKER)["items"]


def test_every_answer_says_how_it_is_to_be_handled(server: Server) -> None:
    """Also those of the connection, before there is a request."""
    key = bearer(server)
    for request, status in (
        (b"GET /health/live HTTP/1.1\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\n", 200),
        (b"GET /openapi.json HTTP/1.1\r\n", 200),
        (b"GET /v1/models HTTP/1.1\r\n", 401),
        (b"GET /v1/models HTTP/1.1\r\n" + key, 200),
        (b"GET /nothing HTTP/1.1\r\n", 404),
        (b"GET /v1/decisions HTTP/1.1\r\n", 405),
        (b"POST /v1/decisions HTTP/1.1\r\ncontent-length: 0\r\n" + key, 415),
        (b"no request\r\n", 400),
    ):
        found, headers, _ = parts(answered(server, request + HOST + b"connection: close\r\n\r\n"))
        assert found == status
        assert {name.lower(): value.lower() for name, value in SECURITY_HEADERS.items()}.items() <= headers.items()
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & headers.keys()
