"""Workers: processes that answer on one socket. One is this process itself; several are started anew when they end.

Each opens the store and reads everything itself, after it was started: nothing with a thread or a connection is shared.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final

from prometheus_client import multiprocess
from starlette.applications import Starlette

from recsys.console import fail
from recsys.errors import RecsysError
from serving.app import create_app
from serving.clock import ForwardClock, clock_from
from serving.logs import log_to_standard_error
from serving.metrics import SHARED_FOLDER
from serving.service import Service, create_service
from serving.settings import Settings
from serving.stores import open_store
from web.listening import listen

_SPAWN: Final = multiprocessing.get_context("spawn")
_PAUSE: Final = 5  # seconds before a worker that could not start is tried again
_PATIENCE: Final = 300  # seconds for a worker to read everything and be ready


@dataclass(frozen=True, slots=True)
class Clockwork:
    """Where the clock of a replay began; None of both for the real time."""

    started_at: dt.datetime | None = None
    monotonic: float = 0.0


@contextlib.contextmanager
def opened(settings: Settings, clockwork: Clockwork) -> Iterator[Service]:
    """The service, while the block lasts.

    Raises:
        RecsysError: Something cannot be used.
    """
    began = clockwork.started_at
    clock = ForwardClock() if began is None else clock_from(began, clockwork.monotonic)
    with contextlib.closing(open_store(settings.state.get_secret_value())) as store:
        yield create_service(settings, store, clock, clock_started_at=began)


def application(service: Service, settings: Settings) -> Starlette:
    """The application of one worker; from here on, this process logs."""
    log_to_standard_error(settings.log_level)
    return create_app(service, follow_seconds=settings.follow_seconds)


def supervise(settings: Settings, listening: socket.socket, clockwork: Clockwork, ready: Callable[[], None]) -> int:
    """Keep `settings.workers` processes until a signal comes; the status to end with.

    The first one is started alone, so that what cannot be used is said once.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-serve-") as figures, _stopping() as stop:
        os.environ[SHARED_FOLDER] = figures
        crew = _Crew(settings, listening, clockwork)
        try:
            for _ in range(settings.workers):
                if not crew.start(stop):
                    return 0 if stop.asked else 1
            ready()
            return crew.keep(stop, figures)
        finally:
            crew.end()


class _Stop:
    """Whether a signal came; its pipe wakes whoever waits."""

    def __init__(self) -> None:
        self.asked = False
        self.woken, self._wake = multiprocessing.Pipe(duplex=False)

    def ask(self, _: int, __: FrameType | None) -> None:
        """What the signal does."""
        self.asked = True
        self._wake.send(None)


@contextlib.contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    yield stop


class _Crew:
    """The processes."""

    def __init__(self, settings: Settings, listening: socket.socket, clockwork: Clockwork) -> None:
        self._given = (settings, listening, clockwork)
        self._grace = settings.grace_seconds
        self._processes: list[SpawnProcess] = []

    def start(self, stop: _Stop) -> bool:
        """Start one and wait until it answers; false if it ended before, or the end was asked for."""
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = _SPAWN.Process(target=_work, args=(*self._given, theirs))
        process.start()
        theirs.close()
        self._processes.append(process)
        woken = wait([ours, stop.woken], timeout=_PATIENCE)
        with contextlib.suppress(EOFError):
            return ours in woken and bool(ours.recv())
        return False

    def keep(self, stop: _Stop, figures: str) -> int:
        """Start anew whatever ends, as long as anything serves; the status to end with."""
        wanted = len(self._processes)
        while not stop.asked:
            whole = len(self._processes) == wanted
            wait([*(process.sentinel for process in self._processes), stop.woken], None if whole else _PAUSE)
            self._forget_dead(figures)
            while not stop.asked and len(self._processes) < wanted and self.start(stop):
                pass
            self._forget_dead(figures)  # one that could not start said why, and is tried again after a pause
            if not self._processes and not stop.asked:
                return 1
        return 0

    def _forget_dead(self, figures: str) -> None:
        for process in [process for process in self._processes if not process.is_alive()]:
            self._processes.remove(process)
            multiprocess.mark_process_dead(process.pid, figures)  # type: ignore[no-untyped-call] # has no types

    def end(self) -> None:
        """Tell all to finish, and wait."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(self._grace + 5)
            process.kill()


def _work(settings: Settings, listening: socket.socket, clockwork: Clockwork, ready: Connection) -> None:
    """One worker, from its first line to its last."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with opened(settings, clockwork) as service:
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
