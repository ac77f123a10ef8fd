"""What stands: the one thing that decides now, and how another takes its place.

A request takes `active` once and keeps it to its end, so that a change drops no request and no request sees half of it.
What cannot be used is refused, and what stands serves on.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from recsys.contracts.audit import AuditKind
from recsys.errors import RecsysError
from serving.active import Active, named_version, read_active, statistics_mark, with_bundle, with_statistics
from serving.clock import Clock
from serving.metrics import Metrics
from serving.settings import Settings
from serving.stores import Store, StoreError

_log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be used, and when."""

    what: str
    at: dt.datetime


class Standing:
    """Holds what decides. Changes come one at a time; reading needs no lock."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, metrics: Metrics) -> None:
        """Read everything for the first time.

        Raises:
            RecsysError: Something cannot be used.
        """
        self._settings, self._store, self._clock, self._metrics = settings, store, clock, metrics
        self._changing = threading.Lock()
        self._announced = store.changes().reloads
        self._version = named_version(settings)
        self._counted = statistics_mark(settings)
        self.active: Active = read_active(settings, clock())
        self.refusal: Refusal | None = None
        self._shown: list[tuple[str, str, str]] = []
        self._show()

    def reload(self) -> Active:
        """Read everything anew and put it in place.

        Raises:
            RecsysError: Something cannot be used; what stands stands.
        """
        with self._changing:
            version, counted = named_version(self._settings), statistics_mark(self._settings)
            active = read_active(self._settings, self._clock(), before=self.active)
            self._version, self._counted = version, counted
            self._put(active)
        return active

    def announce(self) -> None:
        """Tell the other workers to reload, after this one did, and write it down."""
        with self._changing:
            self._store.audit.append(AuditKind.RELOAD, self.versions(), now=self._clock())
            self._store.announce_reload()
            if self._store.changes().reloads == self._announced + 1:
                self._announced += 1  # else somebody else announced one as well, and `follow` will see to it

    def follow(self) -> None:
        """Take up another version under `current`, other item statistics, or a reload elsewhere; refuse what is bad."""
        announced = self._store.changes().reloads
        if announced != self._announced:
            self._announced = announced
            self._attempt("reload", self.reload)
        else:
            self._attempt("activation", self._follow_current)
            self._attempt("statistics", self._follow_statistics)

    def versions(self) -> dict[str, str]:
        """What stands, by name and hash."""
        active = self.active
        return {
            "model_version": active.model_version,
            "policy_version": active.policy.policy_version,
            "statistics_as_of": active.statistics_as_of.isoformat(),
            **{f"{name}_sha256": digest for name, digest in active.digests.items()},
        }

    def _follow_current(self) -> None:
        version = named_version(self._settings)
        if version == self._version:
            return
        with self._changing:
            self._version = version  # tried once: what is refused is not read again every second
            active = with_bundle(self.active, self._settings, self._clock())
            self._counted = None  # whether the statistics that lie there are this bundle's is found out next
            self._put(active)
        self._store.audit.append(AuditKind.RELOAD, self.versions(), now=self._clock())

    def _follow_statistics(self) -> None:
        counted = statistics_mark(self._settings)
        if counted == self._counted:
            return
        with self._changing:
            self._counted = counted
            self._put(with_statistics(self.active, self._settings, self._clock()))
        self._store.audit.append(AuditKind.RELOAD, self.versions(), now=self._clock())

    def _attempt(self, what: str, change: Callable[[], object]) -> None:
        try:
            change()
        except StoreError:
            raise
        except RecsysError as error:
            if self.refusal is None or self.refusal.what != error.what:  # said once, not every second
                self.refuse(what, error)

    def refuse(self, what: str, error: RecsysError) -> None:
        """Remember, count and log that something could not be used."""
        self.refusal = Refusal(error.what, self._clock())
        self._metrics.reloads.labels("refused").inc()
        _log.warning(f"{what}_refused", what=str(error), serving=self.versions())

    def _put(self, active: Active) -> None:
        self.active, self.refusal = active, None
        self._metrics.reloads.labels("activated").inc()
        _log.info("activated", **self.versions())
        self._show()

    def _show(self) -> None:
        """Tell the metrics: 1 for what stands now, 0 for what stood before."""
        for labels in self._shown:
            self._metrics.versions.labels(*labels).set(0)
        policy = self.active.policy.policy_version
        self._shown = [("serving", self.active.model_version, policy)]
        if self.active.shadow is not None:
            self._shown.append(("shadow", self.active.shadow.scorer.bundle.model_version, policy))
        for labels in self._shown:
            self._metrics.versions.labels(*labels).set(1)
