"""Clockwork: what a process that is started has to know of the time before."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from serving.clock import Clock, utc_clock


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What a process has to know of the time before it was started.

    Args:
        started_at: Where the clock of a replay began; None: it shows the real time.
        monotonic: When the clock of a replay began.
        lead: Of the real time: the lead that the others go by; see `ForwardClock`.
        trusted: Whether the real time is taken as it is: others serve by it, or an operator said so.
        wall: The machine's clock. No command names another; tests put one forward without touching the machine's own.
    """

    started_at: dt.datetime | None = None
    monotonic: float = 0.0
    lead: dt.datetime | None = None
    trusted: bool = False
    wall: Clock = utc_clock
