"""What the gateway counts: sums over everyone. Every label comes from a closed set; none from what was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from pseudonymize.gateway.deriving import Made
from web.listening import REFUSED

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._registry = own
        self.requests = Counter("recsys_gateway_requests", "Requests", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "recsys_gateway_seconds", "Time from headers to answer", ["route"], buckets=_SECONDS, registry=own
        )
        self.values = Counter(
            "recsys_gateway_values", "Values: token, unreadable, empty, forgotten", ["outcome"], registry=own
        )

        self._refusals = Counter(
            "recsys_gateway_connection_refusals",
            "What was refused before it was a request, by status: 400, 408, 431, 503",
            ["status"],
            registry=own,
        )
        for status in REFUSED:  # a series that begins at 1 does not increase
            self._refusals.labels(str(int(status)))

    def count_refusal(self, status: HTTPStatus) -> None:
        """Count what was refused before it was a request."""
        self._refusals.labels(str(int(status))).inc()

    def count(self, made: Made) -> None:
        """Count what became of the values of a request."""
        self.values.labels("token").inc(len(made.tokens) - len(made.refused))
        for why in made.refused.values():
            self.values.labels(why).inc()

    def exposition(self) -> bytes:
        """All figures as text."""
        return generate_latest(self._registry)
