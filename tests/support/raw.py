"""Bytes to a server as they are, past every client's good manners."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

from support.server import Server

HOST = b"host: x\r\n"
JSON = b"content-type: application/json\r\n"


@contextlib.contextmanager
def connected(server: Server, *, seconds: float = 30) -> Iterator[socket.socket]:
    """A connection."""
    with socket.create_connection((server.http.base_url.host, server.http.base_url.port), timeout=seconds) as made:
        yield made


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def answered(server: Server, sent: bytes) -> bytes:
    """What the server says to these bytes, until it ends the connection."""
    with connected(server) as connection:
        with contextlib.suppress(ConnectionError):  # it may have ended it while we send
            connection.sendall(sent)
        return rest(connection)


def one_answer(connection: socket.socket) -> bytes:
    """The next answer on a connection that is kept."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1 << 16)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def refused(answer: bytes, status: int) -> dict[str, str]:
    """The headers of the one answer, a problem document of this status after which the connection ends."""
    found, headers, body = parts(answer)
    assert found == status, answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    assert json.loads(body)["status"] == status
    return headers


def bearer(server: Server) -> bytes:
    """The header with the server's key."""
    return f"authorization: Bearer {server.key}\r\n".encode()
