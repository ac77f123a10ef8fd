"""Offers to go on in another protocol change nothing: the same requests arrive, in however many pieces they come."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from web.connections import Config, Protocol

HOST = b"host: x\r\n"
OFFERS = (
    b"connection: Upgrade\r\nupgrade: h2c\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nUpgrade: h2c\r\n",
    b"UPGRADE: websocket\r\nconnection: keep-alive, uPgRaDe\r\nsec-websocket-version: 13\r\n",
    b"upgrade: TLS/1.0, h2c\r\nupgrade: foo\r\nconnection: upgrade\r\n",
)
INNER = b"PUT /inner HTTP/1.1\r\n" + HOST + b"content-length: 2\r\n\r\nno"
BODIES = (
    b"content-length: 5\r\n\r\nhello",
    b"content-length: %d\r\n\r\n%b" % (len(INNER), INNER),
    b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nupgrade: late\r\nconnection: upgrade\r\n\r\n"
    % (len(INNER), INNER),
    b"\r\n",
    b"connection: close\r\ncontent-length: 5\r\n\r\nhello",  # the last one that is answered
)
NO_BODIES = (
    b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
    b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"x: a\r\n b\r\n\r\n",
)
TOO_LONG = b"x: " + b"y" * 17_000 + b"\r\n\r\n"
REFUSED = {status: b"HTTP/1.1 %d refused\r\n\r\n" % status for status in HTTPStatus}
SEEN = "seen"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Keep and answer what arrived."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    scope["state"][SEEN].append((scope["method"], scope["path"], scope["http_version"], body))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def arrived(pieces: Sequence[bytes]) -> tuple[list[tuple[str, str, str, bytes]], bytes]:
    """The requests that a connection's pieces are read as, and all answers to them."""

    async def read() -> tuple[list[tuple[str, str, str, bytes]], bytes]:
        seen: list[tuple[str, str, str, bytes]] = []
        config = Config(
            echo,
            connections=9,
            request_seconds=9,
            refusals=REFUSED,
            count=lambda _: None,
            lifespan="off",
            log_config=None,
        )
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        protocol = Protocol(config, ServerState(), {SEEN: seen})
        transport, _ = await loop.create_connection(lambda: protocol, sock=theirs)
        for piece in pieces:
            if not transport.is_closing():
                protocol.data_received(piece)
            for _ in range(8):
                await asyncio.sleep(0)
        transport.abort()
        await asyncio.sleep(0)
        with ours:
            return seen, ours.recv(1 << 20)

    return asyncio.run(read())


REQUESTS = st.tuples(
    st.sampled_from((b"POST /a", b"GET /b?c=d", b"PUT /%C3%A4")),
    st.sampled_from((b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")),
    st.sampled_from((b"", *OFFERS)),
    st.sampled_from(BODIES),
)


@settings(max_examples=60)
@given(st.lists(REQUESTS, min_size=1, max_size=4), st.lists(st.integers(0, 600), max_size=6))
def test_requests_arrive_as_if_nothing_had_been_offered(
    requests: list[tuple[bytes, bytes, bytes, bytes]], cuts: list[int]
) -> None:
    offered = b"".join(line + version + HOST + offer + rest for line, version, offer, rest in requests)
    plain = b"".join(line + version + HOST + rest for line, version, _, rest in requests)
    places = [0, *sorted(cut for cut in cuts if cut < len(offered)), len(offered)]
    pieces = [offered[begin:end] for begin, end in itertools.pairwise(places)]
    assert arrived(pieces) == arrived([plain])


def test_what_the_property_compares_is_there() -> None:
    request = b"POST /a HTTP/1.1\r\n" + HOST + OFFERS[1] + BODIES[1]
    seen, answers = arrived([request, request])
    assert seen == [("POST", "/a", "1.1", INNER)] * 2
    assert answers.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("offer", OFFERS)
def test_what_is_refused_is_refused_with_an_offer_too(offer: bytes) -> None:
    line = b"POST /a HTTP/1.1\r\n" + HOST + offer
    for rest in NO_BODIES:
        assert arrived([line + rest + INNER]) == ([], REFUSED[HTTPStatus.BAD_REQUEST])
    assert arrived([line + TOO_LONG + INNER]) == ([], REFUSED[HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE])


def test_a_tunnel_is_refused() -> None:
    for line in (b"CONNECT x:80", b"CONNECT /a"):
        seen, answer = arrived([line + b" HTTP/1.1\r\n" + HOST + OFFERS[0] + b"\r\n" + INNER])
        assert (seen, answer) == ([], REFUSED[HTTPStatus.BAD_REQUEST])
