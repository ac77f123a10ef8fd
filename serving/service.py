"""The service: all parts that the routes answer with, made once for a process, after it was started."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from serving.admission import Admission
from serving.callers import Callers
from serving.clock import Clock
from serving.deciding import Decider
from serving.doorkeeper import Doorkeeper
from serving.idempotency import Idempotency
from serving.metrics import Metrics
from serving.settings import Settings
from serving.standing import Standing
from serving.stores import Store
from serving.timekeeping import Timekeeper


@dataclass(frozen=True, slots=True)
class Service:
    """One process's parts.

    Args:
        store: What is remembered.
        standing: What decides.
        decider: Decides with it.
        doorkeeper: Knows which tokens are accepted.
        callers: Knows which keys hold.
        admission: Refuses what is too often or too much.
        idempotency: Remembers answers.
        metrics: Counts.
        clock: Now, in UTC.
        timekeeper: Knows whether the machine's clock was put forward.
        clock_started_at: Where the clock began, if it does not show the real time.
    """

    store: Store
    standing: Standing
    decider: Decider
    doorkeeper: Doorkeeper
    callers: Callers
    admission: Admission
    idempotency: Idempotency
    metrics: Metrics
    clock: Clock
    timekeeper: Timekeeper
    clock_started_at: dt.datetime | None = None

    def follow(self) -> None:
        """Take up what was changed: keys, the clock, accepted epochs, another bundle, a reload elsewhere.

        Raises:
            StoreError: The store does not answer.
        """
        self.callers.refresh()  # first: whose key was revoked is shut out, whatever becomes of the rest
        self.timekeeper.look()
        self.doorkeeper.refresh()
        self.standing.follow()
        self.show()

    def show(self) -> None:
        """Tell the metrics how old is what decides, and whether something newer cannot be used."""
        active = self.standing.active
        learned_until = active.recommender.scorer.bundle.manifest.data.until
        self.metrics.show_ages(learned_until=learned_until, statistics_as_of=active.statistics_as_of)
        self.metrics.refused.set(self.standing.refusal is not None)

    def close(self) -> None:
        """End the threads. The store belongs to whoever opened it."""
        self.decider.close()
        self.idempotency.close()
        self.doorkeeper.close()
        self.callers.close()


def create_service(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    clock_started_at: dt.datetime | None = None,
    joins: bool = False,
) -> Service:
    """Read everything and put it together; for `joins` see `Standing`.

    Raises:
        RecsysError: Bundle, policy, offers or catalogue cannot be used.
    """
    metrics = Metrics()
    standing = Standing(settings, store, clock, metrics, joins=joins)
    service = Service(
        store=store,
        standing=standing,
        decider=Decider(standing, store, clock, metrics),
        doorkeeper=Doorkeeper(store),
        callers=Callers(store),
        admission=Admission(settings.max_in_flight, settings.rate_limit, metrics),
        idempotency=Idempotency(store, clock),
        metrics=metrics,
        clock=clock,
        timekeeper=Timekeeper(clock, store, metrics),
        clock_started_at=clock_started_at,
    )
    service.show()
    return service
