"""Callers who hold connections and never come to an end: each is cut off in time, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.load import resident
from support.raw import HOST, JSON, answered, bearer, connected, one_answer, parts, refused, rest
from support.server import Server
from support.shop import DRINKER, Shop

pytestmark = pytest.mark.slow

SECONDS, MOST = 2.0, 40  # for a request to arrive; connections
LINGERING = 64  # connections that were refused and wait for the answer to be read
FEW_FILES = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
runpy.run_module("serving", run_name="__main__")
"""
ASKED = json.dumps({"subject": DRINKER, "channel": "email"}).encode()
HEAD = b"POST /v1/decisions HTTP/1.1\r\n" + HOST + JSON


@pytest.fixture(scope="module")
def server(shop: Shop, loaded: Path) -> Iterator[Server]:
    state = shop.folder / "slow-callers.db"
    state.write_bytes(loaded.read_bytes())
    environment = {"RECSYS_SERVE_REQUEST_SECONDS": str(SECONDS), "RECSYS_SERVE_MAX_CONNECTIONS": str(MOST)}
    command = ("-c", FEW_FILES)  # it has to ask for more
    with Server(*shop.serve_options(f"sqlite:///{state}"), environment=environment, command=command) as running:
        yield running


def figures(server: Server) -> dict[str, float]:
    """What was refused at the connection, by status, and turned away, by reason; through a connection of its own."""
    with connected(server) as connection:
        return figures_through(connection)


def figures_through(connection: socket.socket) -> dict[str, float]:
    connection.sendall(b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n")
    lines = one_answer(connection).decode().splitlines()
    return {
        line.split('"')[1]: float(line.split()[-1])
        for line in lines
        if line.startswith(("recsys_connection_refusals_total{", "recsys_turned_away_total{"))
    }


def dripped(server: Server, beginning: bytes, drop: bytes) -> tuple[bytes, float]:
    """What the server says to a beginning and then a drop every tenth of a second, and how long it took it."""
    began = time.monotonic()
    with connected(server, seconds=0.1) as connection:
        connection.sendall(beginning)
        while time.monotonic() - began < 30:
            try:
                answer = connection.recv(1 << 16)
                break
            except TimeoutError:
                connection.sendall(drop)
    return answer, time.monotonic() - began


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"", b""),  # a connection and nothing else
        (b"GET /health/live HTTP/1.1\r\n", b"x-header: 1\r\n"),
        (b"GET /health/live HTTP/1.1\r\nx-header: ", b"x"),
    ],
    ids=["silent", "headers", "one header"],
)
def test_a_head_that_does_not_end(beginning: bytes, drop: bytes, server: Server) -> None:
    answer, taken = dripped(server, beginning, drop)
    assert SECONDS * 0.9 < taken < SECONDS + 10
    refused(answer, 408)


def test_a_body_that_does_not_end(server: Server) -> None:
    head = HEAD + bearer(server)
    for beginning, drop in (
        (head + b"content-length: 100000\r\n\r\n", b" "),
        (head + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ):
        answer, taken = dripped(server, beginning, drop)
        assert SECONDS * 0.9 < taken < SECONDS + 10
        refused(answer, 408)


def test_a_body_that_goes_on_after_it_was_refused(server: Server) -> None:
    """The answer comes at once; the connection ends although the caller never stops."""
    began = time.monotonic()
    with connected(server) as connection:
        connection.sendall(HEAD + b"content-length: 100000000\r\n\r\n")
        answer = one_answer(connection)  # 401: there is no key
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 30:
                connection.sendall(b" " * 1000)
                time.sleep(0.05)
    assert parts(answer)[0] == 401
    assert b"408" not in answer


def test_an_answer_that_nobody_reads(server: Server) -> None:
    """Requests one after the other on one connection, and nothing is ever read: it ends."""
    request = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
    with connected(server, seconds=1) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 60:
                with contextlib.suppress(TimeoutError):
                    connection.sendall(request)
    assert time.monotonic() - began > SECONDS * 0.9


def test_many_requests_in_one_piece_are_no_long_head(server: Server) -> None:
    many = 300
    request = b"GET /health/live HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 200 + b"\r\n"
    with connected(server) as connection:
        connection.sendall((request + b"\r\n") * many + request)
        connection.sendall(b"connection: close\r\n\r\n")
        assert rest(connection).count(b"HTTP/1.1 200 OK") == many + 1


def test_a_head_without_measure(server: Server) -> None:
    before = resident([server.process.pid])
    for head in (
        b"GET /health/live HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 100) for n in range(200)) + b"\r\n",
        b"GET /health/live HTTP/1.1\r\nx: " + b"y" * (1 << 24),
        b"GET /" + b"y" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
    ):
        with connected(server) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(head)
            answer = rest(connection)
        if answer:  # else it was reset while we were still sending
            refused(answer, 431)
    assert resident([server.process.pid]) - before < 8
    assert server.http.get("/health/live").status_code == 200


def test_more_connections_than_are_held(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(server)) for _ in range(MOST + 5)]
        readable: list[socket.socket] = []
        deadline = time.monotonic() + SECONDS
        while len(readable) < 5 and time.monotonic() < deadline:
            readable = select.select(held, [], [], 0)[0]
            time.sleep(0.05)
        assert 5 <= len(readable) <= 10  # the client of other tests holds some too
        for connection in readable:
            assert refused(rest(connection), 503)["retry-after"] == "1"
    assert server.ask(DRINKER)["items"]


def test_a_flood_is_refused_and_holds_no_descriptors(server: Server) -> None:
    """All of it waits at once when the server comes to it: each connection is accepted, told, counted and let go."""
    flood = 600
    with contextlib.ExitStack() as stack:
        through = stack.enter_context(connected(server))
        before = figures_through(through)
        server.send(signal.SIGSTOP)
        for _ in range(flood):
            stack.enter_context(connected(server))
        server.send(signal.SIGCONT)
        refusals, deadline = 0.0, time.monotonic() + 20
        while refusals < flood - MOST and time.monotonic() < deadline:
            after = figures_through(through)
            held = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
            refusals = after["503"] - before["503"]
    assert refusals >= flood - MOST
    assert after["connections"] - before["connections"] >= refusals
    assert held < MOST + LINGERING + 60
    assert server.ask(DRINKER)["items"]


def test_it_may_have_as_many_files_open_as_connections_may_come_at_once(server: Server) -> None:
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft >= min(MOST + 2048, hard) > 256


def test_what_is_refused_at_the_connection_is_counted(server: Server) -> None:
    before = figures(server)
    assert {"400", "408", "431", "503", "rate", "overload", "connections"} == before.keys()
    refused(answered(server, b"no request\r\n\r\n"), 400)
    refused(answered(server, b"GET /health/live HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n"), 431)
    refused(answered(server, b"GET /health/live HTTP/1.1\r\n"), 408)
    assert figures(server) == {**before, **{status: before[status] + 1 for status in ("400", "431", "408")}}


def test_nobody_waits_for_those_who_are_slow(server: Server) -> None:
    """Half requests with a key that holds, as many as there are places and more: they hold none."""
    with contextlib.ExitStack() as stack:
        for _ in range(MOST - 10):
            connection = stack.enter_context(connected(server))
            connection.sendall(HEAD + bearer(server) + b"content-length: 100\r\n\r\n{")
        assert all(server.ask(DRINKER)["items"] for _ in range(5))


def test_a_request_in_pieces_that_ends_in_time_is_answered(server: Server) -> None:
    request = HEAD + bearer(server) + f"content-length: {len(ASKED)}\r\n\r\n".encode() + ASKED
    with connected(server) as connection:
        for _ in range(2):  # on one connection, with a rest between
            for start in range(0, len(request), 40):
                connection.sendall(request[start : start + 40])
                time.sleep(0.005)
            assert one_answer(connection).startswith(b"HTTP/1.1 200 OK")
            time.sleep(SECONDS * 1.2)
