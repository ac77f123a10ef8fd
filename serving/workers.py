"""A worker: a process that answers. One is the command's own process; several have a crew (`serving.crew`).

Each opens the store and reads everything itself, after it was started: nothing with a thread or a connection is shared.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from starlette.applications import Starlette

from recsys.console import fail, warn
from recsys.errors import RecsysError
from serving.app import create_app
from serving.clock import Clock, ForwardClock, clock_from
from serving.clockwork import Clockwork
from serving.figures import keep_figures
from serving.logs import log_to_standard_error
from serving.service import Service, create_service
from serving.settings import Settings
from serving.stores import Store, open_store
from serving.timekeeping import CLOCK_IS_RIGHT
from web.listening import listen


@dataclass(frozen=True, slots=True)
class Berth:
    """A worker's place in its crew.

    Args:
        number: From 0. Whoever takes the place of another goes on with its figures.
        joins: Whether others serve or served before it: then it serves what they were told to, or nothing.
    """

    number: int
    joins: bool


@contextlib.contextmanager
def opened(settings: Settings, clockwork: Clockwork, *, joins: bool = False) -> Iterator[Service]:
    """The service, while the block lasts; for `joins` see `Standing`.

    Raises:
        RecsysError: Something cannot be used.
    """
    with contextlib.closing(open_store(settings.state.get_secret_value())) as store:
        clock, started_at = _clock(clockwork, store), clockwork.started_at
        yield create_service(settings, store, clock, clock_started_at=started_at, joins=joins)


def _clock(clockwork: Clockwork, store: Store) -> Clock:
    if clockwork.started_at is not None:
        return clock_from(clockwork.started_at, clockwork.monotonic)
    clock, written = ForwardClock(clockwork.wall, lead=clockwork.lead), store.audit.newest()
    try:
        if written is not None:
            clock.catch_up(written)
    except RecsysError as error:
        if not clockwork.trusted:
            raise
        warn(f"The machine's clock {error.what}; it is taken to be right")
    return clock


def application(service: Service, settings: Settings) -> Starlette:
    """The application of one worker; from here on, this process logs, and a signal says that the clock is right."""
    log_to_standard_error(settings.log_level)
    signal.signal(CLOCK_IS_RIGHT, lambda _, __: service.timekeeper.accept_clock())
    return create_app(service, follow_seconds=settings.follow_seconds)


def work(settings: Settings, listening: socket.socket, clockwork: Clockwork, berth: Berth, ready: Connection) -> None:
    """One worker of several, from its first line to its last."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_figures(berth.number)
    try:
        with opened(settings, clockwork, joins=berth.joins) as service:
            app = application(service, settings)
            listen(app, listening, settings.terms, lambda: ready.send(True), service.metrics.count_refusal)  # noqa: FBT003
    except RecsysError as error:
        fail(str(error), error.exit_status)


def _end_with_parent() -> None:
    """Finish when the process that started this one was killed: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
