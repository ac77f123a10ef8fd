"""A worker: a process that answers. One is the command's own process; several have a crew (`serving.crew`).

Each opens the store and reads everything itself, after it was started: nothing with a thread or a connection is shared.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette

from recsys.console import fail, warn
from recsys.errors import RecsysError
from serving.app import create_app
from serving.clock import Clock, ForwardClock, clock_from
from serving.figures import share
from serving.logs import log_to_standard_error
from serving.metrics import SHARED_FOLDER
from serving.service import Service, create_service
from serving.settings import Settings
from serving.stores import Store, open_store
from web.listening import listen

_log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What a process has to know of the time before it was started.

    Args:
        started_at: Where the clock of a replay began; None: it shows the real time.
        monotonic: When the clock of a replay began.
        lead: Of the real time: the greatest lead that the clock had so far; see `ForwardClock`.
        trusted: Whether the real time is taken as it is: others serve by it, or an operator said so.
    """

    started_at: dt.datetime | None = None
    monotonic: float = 0.0
    lead: dt.datetime | None = None
    trusted: bool = False


@contextlib.contextmanager
def opened(settings: Settings, clockwork: Clockwork) -> Iterator[Service]:
    """The service, while the block lasts.

    Raises:
        RecsysError: Something cannot be used.
    """
    with contextlib.closing(open_store(settings.state.get_secret_value())) as store:
        yield create_service(settings, store, _clock(clockwork, store), clock_started_at=clockwork.started_at)


def _clock(clockwork: Clockwork, store: Store) -> Clock:
    if clockwork.started_at is not None:
        return clock_from(clockwork.started_at, clockwork.monotonic)
    clock, written = ForwardClock(lead=clockwork.lead), store.audit.newest()
    try:
        if written is not None:
            clock.catch_up(written)
    except RecsysError as error:
        if not clockwork.trusted:
            raise
        warn(f"The machine's clock {error.what}; it is taken to be right")
    return clock


def application(service: Service, settings: Settings) -> Starlette:
    """The application of one worker; from here on, this process logs."""
    log_to_standard_error(settings.log_level)
    return create_app(service, follow_seconds=settings.follow_seconds)


def work(settings: Settings, listening: socket.socket, clockwork: Clockwork, ready: Connection) -> None:
    """One worker of several, from its first line to its last."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    shared = share(Path(os.environ[SHARED_FOLDER]))
    try:
        with opened(settings, clockwork) as service:
            app = application(service, settings)
            if not shared:
                _log.warning("figures_not_shared", what="no room beside those of the other workers; see TMPDIR")
            listen(app, listening, settings.terms, lambda: ready.send(True), service.metrics.count_refusal)  # noqa: FBT003
    except RecsysError as error:
        fail(str(error), error.exit_status)


def _end_with_parent() -> None:
    """Finish when the process that started this one was killed: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
