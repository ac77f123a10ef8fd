"""Metrics for Prometheus: sums over everyone. Every label comes from a closed set; none from what was sent."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from recsys.arms import Arm
from recsys.contracts.decision import Decision, Fill
from web.listening import REFUSED

_CONNECTIONS: Final = "connections"
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"  # where several workers keep their figures; the library's name
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 0.999)
STAGES: Final = ("wait", "read", "decide", "settle")  # of a decision; it waits for its turn to be read and decided
_OUTCOMES: Final = ("accepted", "duplicate", "dropped", "rejected", "erased", "late", "over_cap")


class Metrics:
    """What one process counts; with several workers, `exposition` adds up those of all."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._registry = own
        self.requests = Counter(
            "recsys_requests", "Requests by route and status", ["route", "method", "status"], registry=own
        )
        self.seconds = Histogram(
            "recsys_request_seconds", "Time from headers to answer, of a 200", ["route"], buckets=_SECONDS, registry=own
        )
        self.stage = Histogram(
            "recsys_stage_seconds", "Time of a decision by stage", ["stage"], buckets=_SECONDS, registry=own
        )
        self._stages = {stage: self.stage.labels(stage) for stage in STAGES}
        self.decisions = Counter("recsys_decisions", "Decisions by fill and arm", ["fill", "arm"], registry=own)
        self.withheld = Counter("recsys_withheld", "Offers withheld by the first rule that did", ["rule"], registry=own)
        self.cap_refusals = Counter(
            "recsys_cap_refusals", "Offers that the store refused to reserve: a cap was full", registry=own
        )
        self.events = Counter("recsys_events", f"Events: {', '.join(_OUTCOMES)}", ["outcome"], registry=own)
        self.store_errors = Counter(
            "recsys_store_errors",
            "Requests, and looks for what was changed, that the store did not answer",
            registry=own,
        )
        self.turned_away = Counter(
            "recsys_turned_away",
            "Asked for too often by a key, or too much at once: rate, overload, connections",
            ["why"],
            registry=own,
        )
        self.connection_refusals = Counter(
            "recsys_connection_refusals",
            "What was refused before it was a request, by status: 400, 408, 431, 503",
            ["status"],
            registry=own,
        )
        self.in_flight = Gauge(
            "recsys_in_flight", "Requests that are being answered", registry=own, multiprocess_mode="livesum"
        )
        self.reloads = Counter("recsys_reloads", "Attempts to load anew: activated, refused", ["outcome"], registry=own)
        self.versions = Gauge(
            "recsys_version",
            "1 for what decides, and for the shadow",
            ["role", "model", "policy"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self.shadow = Histogram(
            "recsys_shadow_overlap", "Share of a list that the shadow lists too", buckets=_SHARES, registry=own
        )
        self._add_what_stands(own)
        self._begin_at_nothing()

    def count_refusal(self, status: HTTPStatus) -> None:
        """Count what was refused before it was a request; for too many connections, as turned away too."""
        self.connection_refusals.labels(str(int(status))).inc()
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.turned_away.labels(_CONNECTIONS).inc()

    def took(self, **seconds: float) -> None:
        """Count the time of a decision's stages."""
        for stage, taken in seconds.items():
            self._stages[stage].observe(taken)

    def _add_what_stands(self, own: CollectorRegistry) -> None:
        self.refused = Gauge(
            "recsys_refused",
            "1 while something newer cannot be used, and what stood serves on",
            registry=own,
            multiprocess_mode="livemax",
        )
        self.clock_ahead = Gauge(
            "recsys_clock_ahead_seconds",
            "By how much the machine's clock was put forward, while nothing is decided for it",
            registry=own,
            multiprocess_mode="livemax",
        )
        self.worker_started = Gauge(
            "recsys_worker_started_seconds",
            "When the newest worker was started, in Unix time",
            registry=own,
            multiprocess_mode="livemax",
        )
        self.worker_started.set_to_current_time()
        self.learned_until = Gauge(
            "recsys_learned_until_seconds",
            "The day up to which the bundle has learned, in Unix time",
            registry=own,
            multiprocess_mode="livemin",
        )
        self.statistics_as_of = Gauge(
            "recsys_statistics_as_of_seconds",
            "The day of the item statistics that rank, in Unix time",
            registry=own,
            multiprocess_mode="livemin",
        )

    def _begin_at_nothing(self) -> None:
        """Show what has not happened yet as 0: a series that begins at 1 never rose, and no alert would tell of it."""
        for counter, labels in (
            (self.turned_away, ("rate", "overload", _CONNECTIONS)),
            (self.connection_refusals, tuple(str(int(status)) for status in REFUSED)),
            (self.events, _OUTCOMES),
            (self.reloads, ("activated", "refused")),
        ):
            for label in labels:
                counter.labels(label)
        for fill in Fill:
            for arm in Arm:
                self.decisions.labels(fill.value, arm.value)

    def show_ages(self, *, learned_until: dt.date, statistics_as_of: dt.date) -> None:
        """Show how old is what decides."""
        self.learned_until.set(_unix_time(learned_until))
        self.statistics_as_of.set(_unix_time(statistics_as_of))

    def count_decisions(self, decisions: Iterable[Decision]) -> None:
        """Count lists and what was withheld from them."""
        for decision in decisions:
            self.decisions.labels(decision.fill.value, decision.arm).inc()
            for rule, offers in (decision.withheld or {}).items():
                self.withheld.labels(rule).inc(offers)

    def exposition(self) -> bytes:
        """All figures as text, of every worker where there are several."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call] # the library's constructor has no types
        return generate_latest(everyone)


def _unix_time(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()
