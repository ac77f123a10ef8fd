"""Listening: a socket that is bound before anything is promised, and a server that ends when it is told to."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from starlette.applications import Starlette

from recsys.errors import RecsysError, UsageError

_BACKLOG: Final = 2048


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


def url_of(listening: socket.socket) -> str:
    """Where to reach it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(app: Starlette, listening: socket.socket, *, grace: int, ready: Callable[[], None]) -> None:
    """Serve until a signal comes, then finish what is under way and exit with status 0.

    Args:
        app: What to serve.
        listening: From `bind`.
        grace: Seconds for requests that are under way.
        ready: Called once requests are answered.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    _Server(config, ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _leave(_: int, __: FrameType | None) -> NoReturn:
    """What uvicorn calls once it has shut down: it raises the signal again that it was stopped by."""
    sys.exit(0)
