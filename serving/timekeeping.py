"""Timekeeping: where the machine's clock was put forward while we served, nothing is decided until it is right again.

A cap, a rest or a no that holds for some time would be over at a wrong time, and the service cannot know which of the
two times is the right one. What is said to it is taken in all the while, as of the time that it goes on with. An
operator who has looked at the clock ends this with a signal (docs/runbook.md); it reaches every worker of the machine.
"""

from __future__ import annotations

import datetime as dt
import signal
from typing import Final

import structlog

from recsys.contracts.audit import AuditKind
from serving.clock import NO_TIME, Clock, ForwardClock
from serving.metrics import Metrics
from serving.problems import CLOCK_JUMPED
from serving.stores import Store
from web.problems import ProblemError

CLOCK_IS_RIGHT: Final = signal.SIGUSR1  # and not SIGHUP: a terminal that is closed sends that
_LATER: Final = {"Retry-After": "60"}  # it takes somebody's hand
_log: Final = structlog.stdlib.get_logger(__name__)


class Timekeeper:
    """Holds decisions back while the machine's clock is ahead of ours; the clock of a replay never is."""

    def __init__(self, clock: Clock, store: Store, metrics: Metrics) -> None:
        self._clock, self._store, self._metrics = clock, store, metrics
        self._real = clock if isinstance(clock, ForwardClock) else None
        self._told = self._noted = False

    def check(self) -> None:
        """Return where there is no doubt about the time.

        Raises:
            ProblemError: The machine's clock was put forward.
        """
        ahead = self._ahead
        if ahead:
            what = f"Nothing was decided: the machine's clock was put forward by {ahead.total_seconds():,.0f} seconds"
            raise ProblemError(CLOCK_JUMPED.problem(what), _LATER)

    def latest(self) -> dt.datetime:
        """Now, by whichever clock is ahead: what happened before that is not refused as what lies in the future."""
        return self._clock() + self._ahead

    def accept_clock(self) -> None:
        """Have the next look take the machine's clock to be right."""
        self._told = True

    def look(self) -> None:
        """Tell the metrics and the log; take the clock to be right where somebody said so, and write that down first.

        Raises:
            StoreError: It cannot be written down; the next look tries again.
        """
        ahead = self._ahead
        if self._real is not None and ahead and self._told:
            self._store.audit.append(AuditKind.CLOCK, {"put_forward_seconds": ahead.total_seconds()}, now=self._clock())
            self._real.accept()
        self._told = False  # and what was said of a clock that had not been put forward is not kept for the next time
        self._note(self._ahead)

    @property
    def _ahead(self) -> dt.timedelta:
        return NO_TIME if self._real is None else self._real.ahead

    def _note(self, ahead: dt.timedelta) -> None:
        self._metrics.clock_ahead.set(ahead.total_seconds())
        if bool(ahead) != self._noted:
            self._noted = bool(ahead)
            _log.warning("clock_put_forward" if ahead else "clock_trusted_again", seconds=ahead.total_seconds())
