"""Listening: a socket that is bound before anything is promised, and a server that ends when it is told to."""

from __future__ import annotations

import asyncio
import errno
import functools
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from starlette.applications import Starlette

from recsys.errors import RecsysError, UsageError
from web.connections import MAX_HEAD, Config, Protocol
from web.handshakes import Handshakes
from web.problems import OVERLOADED, Problem, of_status, problem_response
from web.terms import Terms

_BACKLOG: Final = 2048
_OTHER_FILES: Final = 512  # which a process has open beside its connections
# Seconds for which a busy event loop keeps the interpreter from the thread that writes decisions down. With Python's
# own 5 ms each of its statements waits as long, and everybody for them (docs/adr/0024-refused-at-once.md).
_TURN: Final = 0.0005
_STRICT: Final = {"Strict-Transport-Security": "max-age=31536000"}
_REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: (of_status(HTTPStatus.BAD_REQUEST, "This is no HTTP/1.1"), {}),
    HTTPStatus.REQUEST_TIMEOUT: (of_status(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive whole in time"), {}),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        of_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"All headers together may have {MAX_HEAD} bytes"),
        {},
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        OVERLOADED.problem("There are too many connections; ask again a little later"),
        {"Retry-After": "1"},
    ),
}
REFUSED: Final = frozenset(_REFUSALS)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        RecsysError: The port is taken, or may not be had.
        UsageError: There is no such host here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except socket.gaierror:
        raise UsageError("is not an address of this machine", where="--host", mend="Use 127.0.0.1") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what, mend = "is in use", "Stop what listens there, or choose another; 0 takes a free one"
        else:
            what, mend = f"cannot be listened on ({error.strerror})", "Choose another port or host"
        raise RecsysError(f"port {port} {what}", where="--port", mend=mend) from None
    # Connections inherit it. asyncio sets it on sockets of its own making only, and without it an answer takes 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket, *, encrypted: bool = False) -> str:
    """Where to reach it."""
    scheme = "https" if encrypted else "http"
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def listen(
    app: Starlette,
    listening: socket.socket,
    terms: Terms,
    ready: Callable[[], None],
    count: Callable[[HTTPStatus], None] = lambda _: None,
) -> None:
    """Serve until a signal comes, then finish what is under way and exit with status 0.

    Args:
        app: What to serve.
        listening: From `bind`.
        terms: For whoever connects.
        ready: Called once requests are answered.
        count: Told of what was refused before it was a request: one of `REFUSED`.
    """
    always = _STRICT if terms.certificate is not None else {}
    config = Config(
        app,
        connections=terms.connections,
        request_seconds=terms.request_seconds,
        refusals={status: _refusal(problem, {**always, **more}) for status, (problem, more) in _REFUSALS.items()},
        count=count,
        headers=list(always.items()),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=terms.grace_seconds,
        ssl_certfile=terms.certificate,
        ssl_keyfile=terms.key,
    )
    _make_room(terms.connections * (1 if terms.certificate is None else 2))  # as many handshakes
    sys.setswitchinterval(_TURN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    _Server(config, ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's, but for who accepts connections that are to be encrypted."""

    def __init__(self, config: Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._limits, self._ready = config, ready
        self._accepting: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        context = self._limits.ssl
        await super().startup(sockets if context is None else [])
        if context is not None:
            handshakes = self._handshakes(context)
            self._accepting = [asyncio.create_task(handshakes.accept(one)) for one in sockets or ()]
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)

    def _handshakes(self, context: ssl.SSLContext) -> Handshakes:
        limits = self._limits
        made = functools.partial(Protocol, limits, self.server_state, self.lifespan.state)
        most, seconds = limits.connections, limits.request_seconds
        return Handshakes(context, made, most=most, seconds=seconds, count=limits.count)


def _make_room(connections: int) -> None:
    """Let this process open as many files as it may need: for connections that it holds, and that wait to be refused.

    Where there is no room, asyncio accepts nobody for a second.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _BACKLOG + _OTHER_FILES
    if resource.RLIM_INFINITY != soft < wanted:
        room = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))


def _refusal(problem: Problem, headers: Mapping[str, str]) -> bytes:
    """A whole answer, after which the connection ends."""
    response = problem_response(problem, {**headers, "Connection": "close"})
    status = HTTPStatus(problem.status)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(b": ".join(pair) for pair in response.raw_headers)]
    return b"\r\n".join([*head, b"", bytes(response.body)])


def _leave(_: int, __: FrameType | None) -> NoReturn:
    """What uvicorn calls once it has shut down: it raises the signal again that it was stopped by."""
    sys.exit(0)
