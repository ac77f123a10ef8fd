"""Connections that cannot be held: uvicorn's own protocol, with an end to what one caller may send, and for how long.

uvicorn waits for ever for a request that does not come to its end, keeps headers of any size, and answers what is no
HTTP in plain text. Here a request that is not whole after `request_seconds` is answered with 408, a head of more than
`MAX_HEAD` bytes with 431, one connection too many with 503, and an answer that nobody reads is given up. Whoever offers
to go on in another protocol is answered in this one. Nothing of it is logged, since strangers do it; it is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD: Final = 16 << 10  # bytes of the request line and all headers
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_TUNNEL: Final = b"CONNECT"
_LINGER: Final = 1.0  # seconds between a refusal and the end, so that it is read before the connection breaks
_LINGERING: Final = 64  # connections for which there is such a time; a flood would hold every descriptor by it


class Config(uvicorn.Config):
    """What uvicorn is told, and what its protocol is told besides.

    Args:
        app: What answers.
        connections: How many are held at once.
        request_seconds: How long a request may take to arrive whole, and an answer to be read.
        refusals: Whole answers to what is refused before it is a request, by status.
        count: Told of each.
        others: Of `uvicorn.Config`.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - as uvicorn has it
        *,
        connections: int,
        request_seconds: float,
        refusals: Mapping[HTTPStatus, bytes],
        count: Callable[[HTTPStatus], None],
        **others: Any,  # noqa: ANN401 - as uvicorn has them
    ) -> None:
        super().__init__(app, http=Protocol, ws="none", **others)
        self.connections = connections
        self.request_seconds = request_seconds
        self.refusals = refusals
        self.count = count
        self.lingering: set[Protocol] = set()


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config
        self._head = 0  # bytes of a head that is arriving, from the piece after its first on
        self._in_head, self._whole, self._began = True, False, False
        self._asked, self._refused = False, False
        self._anew = b""  # a head that offered another protocol, without the offer
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take it, or turn it away."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._end = self.loop.call_later(self._limits.request_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._in_time()
        self._limits.lingering.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the request stays within what is allowed."""
        if self._refused:
            return
        self._began = False
        self._unset_keepalive_if_required()
        self._read(data)
        if self._in_head and not self._began:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._whole:
            self._in_time()
        elif self._end is None:
            self._end = self.loop.call_later(self._limits.request_seconds, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head, self._in_head, self._whole, self._began = 0, True, False, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        if self._refused:  # what came behind a refused request in the same piece is not begun
            return
        head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if head > MAX_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self.parser.get_http_version() not in _VERSIONS or self.parser.get_method() == _TUNNEL:
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif self.parser.should_upgrade():
            self._anew = self._without_offer()
        else:
            super().on_headers_complete()  # raises where the path is none
            self._asked, self._in_head = True, False

    def on_body(self, body: bytes) -> None:
        """A part of its body is there."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """It is whole, unless it is about to be read anew."""
        if self._anew:
            return
        self._whole = True
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered; whether the caller reads is another matter."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self._limits.request_seconds, self._unread)

    def _read(self, data: bytes) -> None:
        """Parse; a request that offers another protocol as if it did not (RFC 9110, section 7.8).

        Behind such a head the parser stops, and would take the body for the next request.
        """
        pieces = [memoryview(data)]
        while pieces and not self._refused:
            piece = pieces.pop()
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                (end,) = offer.args
                pieces += [piece[end:], memoryview(self._anew)]
                self._anew, self.parser = b"", _parser(self)
            except httptools.HttpParserError:  # what came is no HTTP
                self._refuse(HTTPStatus.BAD_REQUEST)

    def _without_offer(self) -> bytes:
        """The head that is being read, as the parser understood it, but for the offer."""
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = (name + b": " + value for name, value in self.headers if name != b"upgrade")
        return b"\r\n".join([line, *kept, b"", b""])

    def _too_slow(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, unless something else is being answered, and end the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._limits.count(status)
        self._in_time()
        self._unset_keepalive_if_required()
        if self._may_answer():
            self.transport.write(self._limits.refusals[status])
            self._linger()
        else:
            self.transport.abort()
        if self._asked and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever waits for the rest of the body is told so
            self.cycle.message_event.set()

    def _linger(self) -> None:
        if len(self._limits.lingering) < _LINGERING:
            self._limits.lingering.add(self)
            self.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.abort()  # what was written is on its way, unless the caller did not read what came before

    def _may_answer(self) -> bool:
        """Whether an answer written now is the answer to the request that is arriving."""
        if not self._asked:
            return True
        if self.pipeline:
            return False
        return self.cycle.response_complete if self._in_head else not self.cycle.response_started

    def _unread(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _in_time(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


def _parser(protocol: Protocol) -> httptools.HttpRequestParser:
    """A parser that knows of no earlier request, set as uvicorn sets its own."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # ignores it
    return parser
