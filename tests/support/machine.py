"""A server that is made up, with the figures of a real one: what happens to it is what a story says."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from prometheus_client.parser import text_string_to_metric_families

from serving.metrics import Metrics
from support.promql import Labels, Scrape

DAY = 86_400


@dataclass
class Machine:
    """A server with figures of its own."""

    metrics: Metrics = field(default_factory=Metrics)
    answers: bool = True

    def __post_init__(self) -> None:
        self.metrics.versions.labels("serving", "small/1", "small@1").set(1)
        self.metrics.learned_until.set(-DAY)
        self.metrics.statistics_as_of.set(-DAY)
        self.metrics.worker_started.set(0)

    def asked(self, status: int = 200, times: int = 100, *, seconds: float = 0.01) -> None:
        """So many requests were answered so."""
        self.metrics.requests.labels("/v1/decisions", "POST", str(status)).inc(times)
        for _ in range(times if status == HTTPStatus.OK else 0):
            self.metrics.seconds.labels("/v1/decisions").observe(seconds)

    def failed(self, times: int) -> None:
        """The store did not answer so many requests."""
        self.asked(503, times)
        self.metrics.store_errors.inc(times)

    def reported_erased(self) -> None:
        """An event came about somebody who was erased."""
        self.metrics.events.labels("erased").inc()

    def decided(self, fill: str = "personal", times: int = 100) -> None:
        """So many lists went out."""
        self.metrics.decisions.labels(fill, "personal").inc(times)

    def scraped(self, instance: str) -> Scrape:
        """What Prometheus has of it."""
        where = {("job", "recsys-serve"), ("instance", instance)}
        found: dict[tuple[str, Labels], float] = {("up", frozenset(where)): float(self.answers)}
        if self.answers:
            for (name, labels), value in series_of(self.metrics.exposition().decode()).items():
                found[name, labels | where] = value
        return found


def series_of(text: str) -> dict[tuple[str, Labels], float]:
    """The series of an exposition, and their values."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
