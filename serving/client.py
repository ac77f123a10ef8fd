"""A client of the service, typed by the contracts. It carries nothing of the server.

A request is sent again when it did not arrive, or the server was busy or its store away, with a growing pause and not
before the server's `Retry-After`; and only where a repetition does no harm: reading; events, which count once by
their `event_id`; and whatever carries an Idempotency-Key, which the client adds by itself to everything that changes
something.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from recsys.contracts.access import SubjectAccess
from recsys.contracts.decision import Decision
from recsys.contracts.erasure import ErasureReceipt
from recsys.contracts.event import Event
from recsys.contracts.preferences import Preferences, PreferencesChange
from web.asking import Asker, ServiceError

__all__ = ["Client", "Recorded", "Rejected", "ServiceError"]

T = TypeVar("T")


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was not taken."""

    index: int
    reason: str
    event_id: str | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of events."""

    accepted: int
    duplicates: int
    dropped: int
    late: int = 0
    over_cap: int = 0
    rejected: tuple[Rejected, ...] = ()


class Client(Asker):
    """Asks one service with one key; keeps its connections. Close it, or use it as a context manager.

    Args:
        url: Where the service is.
        key: `rk1.…`; never logged, never part of a URL.
        tries: How often a request is sent at most.
        timeout: Seconds for one try.
        patience: Seconds that all pauses between the tries of one request may take.
    """

    def __init__(self, url: str, key: str, *, tries: int = 4, timeout: float = 5.0, patience: float = 10.0) -> None:
        super().__init__(url, key, server="recsys-serve", tries=tries, timeout=timeout, patience=patience)

    def decide(  # noqa: PLR0913 - the fields of a request
        self,
        subject: str,
        channel: str,
        *,
        count: int = 10,
        placement: str | None = None,
        exclude: Sequence[str] = (),
        reserve_seconds: int | None = None,
        session_consents: Sequence[str] = (),
        gpc: bool = False,
    ) -> Decision:
        """Offers for one subject."""
        body: dict[str, object] = {"subject": subject, "channel": channel, "count": count, "gpc": gpc}
        body |= {"placement": placement, "exclude": exclude, "session_consents": session_consents}
        body |= {} if reserve_seconds is None else {"reserve_seconds": reserve_seconds}
        return self._changed("POST", "/v1/decisions", body, Decision)

    def decide_many(self, requests: Sequence[Mapping[str, object]]) -> list[Decision]:
        """Offers for up to 100 subjects; each request has the fields that `decide` has."""
        return self._changed("POST", "/v1/decisions", list(requests), list[Decision])

    def report(self, events: Sequence[Event]) -> Recorded:
        """Tell what happened: up to 1,000 events."""
        return self.asked("POST", "/v1/events", list(events), Recorded)

    def preferences(self, subject: str) -> Preferences:
        """What a person agreed to, likes, and said no to."""
        return self.asked("POST", "/v1/preferences/read", {"subject": subject}, Preferences)

    def change_preferences(self, subject: str, change: PreferencesChange, *, gpc: bool = False) -> Preferences:
        """Change it; what holds then."""
        body = msgspec.to_builtins(change) | {"subject": subject, "gpc": gpc}
        return self._changed("PUT", "/v1/preferences", body, Preferences)

    def access(self, subject: str) -> SubjectAccess:
        """Everything that is held about a person."""
        return self.asked("POST", "/v1/subjects/access", {"subject": subject}, SubjectAccess)

    def erase(self, *subjects: str) -> ErasureReceipt:
        """Forget a person, named by all of their tokens."""
        return self._changed("POST", "/v1/subjects/erase", {"subjects": subjects}, ErasureReceipt)

    def explanation(self, decision_id: str, *, offer: str | None = None) -> dict[str, Any]:
        """Why a decision is as it is, and why an offer is not in it."""
        path = f"/v1/decisions/{decision_id}" + ("" if offer is None else f"?offer={offer}")
        return self.asked("GET", path, None, dict[str, Any])

    def _changed(self, method: str, path: str, body: object, kind: type[T]) -> T:
        return self.asked(method, path, body, kind, {"Idempotency-Key": f'"{uuid.uuid4()}"'})
