"""What stands: the one thing that decides now, and how another takes its place.

A request takes `active` once and keeps it to its end, so that a change drops no request and no request sees half of it.
What cannot be used is refused, and what stands serves on.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from recsys.contracts.audit import AuditKind
from recsys.errors import ContractError, RecsysError
from serving.active import (
    STATISTICS,
    Active,
    Role,
    announced_names,
    file_digests,
    followed,
    marks,
    named_version,
    read_active,
    statistics_mark,
    versions_of,
    with_bundle,
    with_statistics,
)
from serving.clock import Clock
from serving.metrics import Metrics
from serving.pacing import Pacing
from serving.settings import Settings
from serving.stores import Store, StoreError

RELOAD: Final = "reload"
_log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be used, and when."""

    what: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Everything as it lies there now, and the marks by which the next change will be noticed."""

    active: Active
    versions: dict[Role, str]
    counted: tuple[int, ...] | None


class Standing:
    """Holds what decides. Changes come one at a time; reading needs no lock."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, metrics: Metrics, *, joins: bool = False
    ) -> None:
        """Read everything for the first time, and write down what is to decide.

        Args:
            settings: Where it lies.
            store: Where it is announced.
            clock: Now.
            metrics: Counts.
            joins: Whether others serve already, or did. Whoever joins them serves what was announced, or refuses;
                whoever comes first serves what lies there, and announces it.

        Raises:
            RecsysError: Something cannot be used, or is not what was announced.
        """
        self._settings, self._store, self._clock, self._metrics = settings, store, clock, metrics
        self._changing, self._pacing = threading.Lock(), Pacing()
        self._announced = store.changes().reloads
        told = store.announced()
        if joins:
            self._check_same(told, file_digests(settings))  # first: whoever refused is started again and again
        self._versions = {role: named_version(path) for role, path in followed(settings).items()}
        self._counted = statistics_mark(settings)
        self.active: Active = read_active(settings, clock())
        store.prepare(self.active.book.index)
        self._begin(told, joins=joins)
        self._refused: dict[str, Refusal] = {}
        self._shown: list[tuple[str, str, str]] = []
        self._show()

    @property
    def refusal(self) -> Refusal | None:
        """What could not be used the last time, and still is not."""
        return next(iter(self._refused.values()), None)

    def reload(self) -> Active:
        """Read everything anew, write it down and tell the other workers, and put it in place.

        Raises:
            RecsysError: Something cannot be used; what stands stands.
            StoreError: It cannot be written down; what stands stands, unless it was written after all.
        """
        with self._changing:
            fresh = self._fresh()
            self._announce(fresh.active)
            self._take(fresh)
        return fresh.active

    def follow(self) -> None:
        """Take up another version under `current`, other item statistics, or a reload elsewhere; refuse what is bad.

        What could not be followed is tried again: at once where a file has changed, else after pauses that grow.
        """
        announced = self._store.changes().reloads
        seen = announced, marks(self._settings)
        if announced != self._announced:
            self._attempt(RELOAD, functools.partial(self._follow_reload, announced), seen)
        for role in self._versions:
            self._attempt(role.value, functools.partial(self._follow_current, role), seen)
        self._attempt(STATISTICS, self._follow_statistics, seen)

    def _begin(self, told: Mapping[str, str], *, joins: bool) -> None:
        """Write down what is to decide and, if it is the first, announce what is new."""
        found = versions_of(self.active)
        if joins:
            self._check_same(told, found)
        elif any(told.get(name) != found.get(name) for name in announced_names(self._settings)):
            self._announce(self.active)
            return
        self._write_down(self.active)

    def _announce(self, active: Active) -> None:
        number = self._store.announce_reload(versions_of(active), now=self._clock())
        if number == self._announced + 1:
            self._announced = number  # else somebody else announced one as well, and `follow` will see to it

    def _fresh(self) -> _Fresh:
        versions = {role: named_version(path) for role, path in followed(self._settings).items()}
        counted = statistics_mark(self._settings)
        active = read_active(self._settings, self._clock(), before=self.active)
        self._store.prepare(active.book.index)
        return _Fresh(active, versions, counted)

    def _take(self, fresh: _Fresh) -> None:
        self._versions, self._counted = fresh.versions, fresh.counted
        self._refused.clear()
        self._put(fresh.active)

    def _follow_reload(self, announced: int) -> None:
        with self._changing:
            told = self._store.announced()
            self._check_same(told, file_digests(self._settings))  # first: it costs less than reading them
            fresh = self._fresh()
            self._check_same(told, versions_of(fresh.active))
            self._write_down(fresh.active)
            self._announced = announced
            self._take(fresh)

    def _follow_current(self, role: Role) -> None:
        with self._changing:
            before, self._versions[role] = self._versions[role], ""  # what names nothing is read anew once it does
            version = named_version(followed(self._settings)[role])
            self._versions[role] = version  # tried once: what is refused is not read again every second
            if version == before:
                return
            active = with_bundle(self.active, role, self._settings, self._clock())
            try:
                self._write_down(active)
            except StoreError:
                self._versions[role] = before  # tried again: nothing was refused
                raise
            self._refused.pop(role.value, None)
            if role is Role.BUNDLE:
                self._counted = None  # whether the statistics that lie there are this bundle's is found out next
            self._put(active)

    def _follow_statistics(self) -> None:
        counted = statistics_mark(self._settings)
        if counted == self._counted:
            return
        with self._changing:
            before, self._counted = self._counted, counted
            active = with_statistics(self.active, self._settings, self._clock())
            try:
                self._write_down(active)
            except StoreError:
                self._counted = before
                raise
            self._refused.pop(STATISTICS, None)
            self._put(active)

    def _write_down(self, active: Active) -> None:
        """Before it decides: what decided stands in the audit log."""
        self._store.audit.append(AuditKind.RELOAD, versions_of(active), now=self._clock())

    def _attempt(self, what: str, change: Callable[[], object], seen: Hashable) -> None:
        if not self._pacing.due(what, seen):
            return
        try:
            change()
        except StoreError:
            self._pacing.failed(what, seen)
            raise
        except RecsysError as error:
            self._pacing.failed(what, seen)
            if what not in self._refused or self._refused[what].what != error.what:  # said once, not every second
                self.refuse(what, error)
        else:
            self._pacing.went_well(what)

    def refuse(self, what: str, error: RecsysError) -> None:
        """Remember, count and log that something could not be used: a role's bundle, or a reload."""
        self._refused[what] = Refusal(error.what, self._clock())
        self._metrics.reloads.labels("refused").inc()
        event = f"{what if what in {RELOAD, STATISTICS} else 'activation'}_refused"
        _log.warning(event, role=what, what=str(error), serving=versions_of(self.active))

    def _put(self, active: Active) -> None:
        self.active = active
        self._metrics.reloads.labels("activated").inc()
        _log.info("activated", **versions_of(active))
        self._show()

    def _show(self) -> None:
        """Tell the metrics: 1 for what stands now, 0 for what stood before."""
        for labels in self._shown:
            self._metrics.versions.labels(*labels).set(0)
        policy = self.active.policy.policy_version
        self._shown = [("serving", self.active.model_version, policy)]
        for role, beside in (("shadow", self.active.shadow), ("challenger", self.active.challenger)):
            if beside is not None:
                self._shown.append((role, beside.scorer.bundle.model_version, policy))
        for labels in self._shown:
            self._metrics.versions.labels(*labels).set(1)

    def _check_same(self, told: Mapping[str, str], found: Mapping[str, str]) -> None:
        """Return when what lies here is what was announced, as far as it was."""
        names = announced_names(self._settings)
        if any(told.get(name, digest) != digest for name, digest in found.items() if name in names):
            raise ContractError(
                "are not those that were announced to all workers",
                where="policy, offers, catalogue or a bundle",
                mend="Put those back, or send POST /v1/reload again; if nobody answers, restart the service",
            )
