"""Clockwork: what a process that is started has to know of the time before."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


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
