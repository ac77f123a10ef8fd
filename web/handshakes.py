"""TLS handshakes that cannot be held: a connection is counted, and has its time, from the moment it is accepted.

uvicorn hears of a connection once its handshake is over, and asyncio lets that take a minute: whoever opens connections
and sends nothing would take every file that a process may open. Here there are so many handshakes at once; one more is
closed, since nothing can be said to it yet. Nothing of it is logged, since strangers do it; it is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

_NO_ROOM: Final = 1.0  # seconds until the next try, where a connection cannot be accepted: no file may be opened


class Handshakes:
    """The connections of one listening socket, until they are encrypted; then each has a protocol of its own.

    Args:
        context: With the certificate and its key.
        protocol: Makes one.
        most: Handshakes at once.
        seconds: For each, and for saying goodbye.
        count: Told of those that were turned away (503) or took too long (408).
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        *,
        most: int,
        seconds: float,
        count: Callable[[HTTPStatus], None],
    ) -> None:
        self._context, self._protocol = context, protocol
        self._most, self._seconds, self._count = most, seconds, count
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self, listening: socket.socket) -> None:
        """Accept whoever comes, until this is cancelled; the handshakes that are under way are given up then."""
        listening.settimeout(0)
        try:
            while True:
                await self._accept_one(listening)
        finally:
            for task in self._under_way:
                task.cancel()

    async def _accept_one(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = await loop.sock_accept(listening)
        except OSError:
            await asyncio.sleep(_NO_ROOM)
            return
        if len(self._under_way) >= self._most:
            connection.close()
            self._count(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        task = loop.create_task(self._shaken(connection))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _shaken(self, connection: socket.socket) -> None:
        """The transport closes the connection, whatever becomes of it."""
        with contextlib.suppress(OSError):  # of ssl, too: what came is no TLS, or nobody is there any more
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._protocol,
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=self._seconds,
                    ssl_shutdown_timeout=self._seconds,
                )
            except ConnectionAbortedError:  # it took too long
                self._count(HTTPStatus.REQUEST_TIMEOUT)
