"""The crew: several workers on one socket. How each of them ends is in the log, and another takes its place.

Whatever ends a worker may pass: a full disk, too little memory, a state that is locked. Once they have served, their
supervisor therefore never gives up; it only waits a little longer each time that one ends soon after it began.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from recsys.errors import OutputError
from serving.clock import ForwardClock
from serving.clockwork import Clockwork
from serving.figures import make_room, settle_dead
from serving.logs import log_to_standard_error
from serving.metrics import SHARED_FOLDER
from serving.settings import Settings
from serving.timekeeping import CLOCK_IS_RIGHT
from serving.workers import Berth, work

_log: Final = structlog.stdlib.get_logger(__name__)

_SPAWN: Final = multiprocessing.get_context("spawn")
_PATIENCE: Final = 300  # seconds for a worker to read everything and be ready
_SOON: Final = 2.0  # seconds of serving; whoever ends within them will hardly do better at once
_PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds, by how many ended so one after the other
_NAMES: Final = {number.value: number.name for number in signal.Signals}
_GLANCE: Final = 1.0  # seconds between looks at the clock and at who is due


def supervise(settings: Settings, listening: socket.socket, clockwork: Clockwork, ready: Callable[[], None]) -> int:
    """Keep `settings.workers` processes until a signal comes; the status to end with.

    The first one is started alone, so that what cannot be used is said once.

    Raises:
        OutputError: There is no room for their figures.
    """
    with _figures(settings.workers) as figures, _stopping() as stop:
        os.environ[SHARED_FOLDER] = str(figures)
        log_to_standard_error(settings.log_level)
        crew = _Crew(settings, listening, clockwork, stop)
        signal.signal(CLOCK_IS_RIGHT, lambda _, __: crew.accept_clock())
        try:
            if not crew.assemble():
                return 0 if stop.asked else 1
            ready()
            crew.keep()
        finally:
            crew.end()
    return 0


@contextlib.contextmanager
def _figures(workers: int) -> Iterator[Path]:
    """A folder with room for the figures of so many."""
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recsys-serve-")))
        except OSError as error:
            raise OutputError(
                f"cannot be written ({error.strerror})", where="the folder for temporary files", mend="Set TMPDIR"
            ) from None
        make_room(folder, workers)
        yield folder


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


@dataclass(slots=True)
class _Member:
    """A process; it says by `news` that it answers. `since` (monotonic): when it was started, then when it served."""

    number: int
    process: SpawnProcess
    news: Connection
    since: float
    serves: bool = False
    owed: bool = False  # whether it was starting when somebody said that the machine's clock is right

    @property
    def seconds(self) -> float:
        """How long it has been starting, or serving."""
        return time.monotonic() - self.since


class _Crew:
    """The processes."""

    def __init__(self, settings: Settings, listening: socket.socket, clockwork: Clockwork, stop: _Stop) -> None:
        self._settings, self._listening, self._clockwork, self._stop = settings, listening, clockwork, stop
        self._clock, self._clock_is_right = ForwardClock(clockwork.wall), False
        self._members: list[_Member] = []
        self._served = False  # whether any of them ever did
        self._ended_soon = 0  # one after the other
        self._due = 0.0  # when (monotonic) others may be started

    def accept_clock(self) -> None:
        """Have the next look take the machine's clock to be right, and tell everybody."""
        self._clock_is_right = True

    def assemble(self) -> bool:
        """Start one, then the others; false if the first ended before it answered, or the end was asked for."""
        for wanted in (1, self._settings.workers):
            while len(self._members) < wanted:
                self._start()
            while not all(member.serves for member in self._members):
                ended = self._look(_GLANCE)
                if self._stop.asked or (ended and wanted == 1):
                    self._say(ended, only_signals=True)
                    return False
                if ended:  # one serves; for the others there is `keep`
                    self._put_off(ended)
                    self._say(ended)
                    return True
            self._clockwork, self._served = dataclasses.replace(self._clockwork, trusted=True), True  # one serves by it
        return True

    def keep(self) -> None:
        """Start another for whatever ends."""
        while not self._stop.asked:
            missing = self._settings.workers - len(self._members)
            left = self._due - time.monotonic()
            if missing and left <= 0:
                self._start_again(missing)
            ended = self._look(min(_GLANCE, left) if missing and left > 0 else _GLANCE)
            if not self._stop.asked:
                self._put_off(ended)
                self._say(ended)

    def end(self) -> None:
        """Tell all to finish, and wait: for all of them as long as for one."""
        until = time.monotonic() + self._settings.grace_seconds + 5
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            member.process.join(max(0.0, until - time.monotonic()))
            member.process.kill()

    def _start_again(self, missing: int) -> None:
        """Start others; what the machine has not enough of now, it may have later."""
        try:
            for _ in range(missing):
                self._start()
        except OSError as error:
            self._ended_soon += 1
            self._due = time.monotonic() + self._pause
            _log.warning("worker_not_started", what=error.strerror, again_in=self._pause)

    @property
    def _pause(self) -> float:
        return _PAUSES[min(self._ended_soon, len(_PAUSES) - 1)]

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        clockwork = dataclasses.replace(self._clockwork, lead=self._clock.lead)
        number = min(set(range(self._settings.workers)) - {member.number for member in self._members})
        berth = Berth(number, joins=self._served)
        process = _SPAWN.Process(target=work, args=(self._settings, self._listening, clockwork, berth, theirs))
        process.start()
        theirs.close()
        self._members.append(_Member(number, process, ours, time.monotonic()))

    def _look(self, seconds: float) -> list[_Member]:
        """Wait for anything to happen; those that ended."""
        starting = [member for member in self._members if not member.serves]
        ends = [member.process.sentinel for member in self._members]
        woken = wait([*ends, *(member.news for member in starting), self._stop.woken], seconds)
        self._keep_time()
        for member in starting:
            if member.news in woken:
                _hear(member)
            elif member.seconds > _PATIENCE:
                member.process.kill()
        ended = [member for member in self._members if member.process.exitcode is not None]
        self._members = [member for member in self._members if member not in ended]
        for member in ended:
            with contextlib.suppress(OSError):  # of figures, and not worth anybody's end
                settle_dead(Path(os.environ[SHARED_FOLDER]), member.number)
        return ended

    def _keep_time(self) -> None:
        self._clock()
        if self._clock_is_right:
            self._clock_is_right = False
            self._clock.accept()
            for member in self._members:
                _tell_time(member)

    def _put_off(self, ended: list[_Member]) -> None:
        for member in ended:
            soon = not member.serves or member.seconds < _SOON
            self._ended_soon = self._ended_soon + 1 if soon else 0
            self._due = max(self._due, time.monotonic() + self._pause)

    def _say(self, ended: list[_Member], *, only_signals: bool = False) -> None:
        """How they ended. Of one that could not use something, the reason stands before it, in its own words."""
        for member in ended:
            code = member.process.exitcode or 0
            if code >= 0 and only_signals:
                continue
            how = _NAMES.get(-code, f"signal {-code}") if code < 0 else f"status {code}"
            again = round(max(0.0, self._due - time.monotonic()), 1)
            said = {"pid": member.process.pid, "how": how, "served": member.serves, "seconds": round(member.seconds, 1)}
            _log.warning("worker_ended", **said, again_in=again)


def _hear(member: _Member) -> None:
    """It answers; or, where the pipe was closed, it has ended or is about to."""
    try:
        member.news.recv()
    except (EOFError, OSError):
        member.process.join(1)
        return
    member.serves, member.since = True, time.monotonic()
    member.news.close()
    if member.owed:
        _tell_time(member)


def _tell_time(member: _Member) -> None:
    """Say that the machine's clock is right; once it serves: before that the signal would end it."""
    member.owed = not member.serves
    if member.serves and member.process.pid is not None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.kill(member.process.pid, CLOCK_IS_RIGHT)
