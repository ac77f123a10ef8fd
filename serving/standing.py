"""What stands: the one thing that decides now, and how another takes its place.

A request takes `active` once and keeps it to its end, so that a change drops no request and no request sees half of it.
What cannot be used is refused, and what stands serves on.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from recsys.contracts.audit import AuditKind
from recsys.errors import ContractError, RecsysError
from serving.active import (
    ANNOUNCED,
    STATISTICS,
    Active,
    Role,
    file_digests,
    followed,
    named_version,
    read_active,
    statistics_mark,
    versions_of,
    with_bundle,
    with_statistics,
)
from serving.clock import Clock
from serving.metrics import Metrics
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

    def __init__(self, settings: Settings, store: Store, clock: Clock, metrics: Metrics) -> None:
        """Read everything for the first time.

        Raises:
            RecsysError: Something cannot be used.
        """
        self._settings, self._store, self._clock, self._metrics = settings, store, clock, metrics
        self._changing = threading.Lock()
        self._announced = store.changes().reloads
        self._versions = {role: named_version(path) for role, path in followed(settings).items()}
        self._counted = statistics_mark(settings)
        self.active: Active = read_active(settings, clock())
        store.prepare(self.active.book.index)
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
            number = self._store.announce_reload(versions_of(fresh.active), now=self._clock())
            if number == self._announced + 1:
                self._announced = number  # else somebody else announced one as well, and `follow` will see to it
            self._take(fresh)
        return fresh.active

    def follow(self) -> None:
        """Take up another version under `current`, other item statistics, or a reload elsewhere; refuse what is bad.

        A reload that could not be followed is tried again the next time.
        """
        announced = self._store.changes().reloads
        if announced != self._announced:
            self._attempt(RELOAD, functools.partial(self._follow_reload, announced))
        for role in self._versions:
            self._attempt(role.value, functools.partial(self._follow_current, role))
        self._attempt(STATISTICS, self._follow_statistics)

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
            _check_same(told, file_digests(self._settings))  # first: until it fits, this comes every second
            fresh = self._fresh()
            _check_same(told, versions_of(fresh.active))
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

    def _attempt(self, what: str, change: Callable[[], object]) -> None:
        try:
            change()
        except StoreError:
            raise
        except RecsysError as error:
            if what not in self._refused or self._refused[what].what != error.what:  # said once, not every second
                self.refuse(what, error)

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


def _check_same(told: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Return when what lies here is what the worker that was asked to reload put in place."""
    if any(told.get(name, digest) != digest for name, digest in found.items() if name in ANNOUNCED):
        raise ContractError(
            "are not those that another worker was told to load",
            where="policy, offers or catalogue",
            mend="Put those back, or send POST /v1/reload again",
        )
