"""Access: everything that the service holds about one person, for the person to read and to take away."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from recsys.contracts.audit import DecisionRecord
from recsys.contracts.event import Event
from recsys.contracts.preferences import Preferences
from recsys.contracts.state import Exposure, Instant, Reservation, Response


class PurchaseDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of an item on a day: bought less returned."""

    item: str
    day: dt.date
    quantity: float
    baskets: int


class HeldEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """An event as it was reported, when it arrived, and what was remarked: `late`, `over_cap`."""

    event: Event
    received: Instant
    remarks: tuple[str, ...] = ()


class PreferenceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of preferences as the audit log holds it."""

    at: Instant
    kind: str
    change: msgspec.Raw


class SubjectAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is held. `held` is false, and all of it empty, for a stranger and for somebody who was erased."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^subject-access/1$")] = "subject-access/1"
    subject: str
    held: bool
    adult: bool | None = None
    store: str | None = None
    region: str | None = None
    arm: str | None = None
    preferences: Preferences = Preferences()
    purchases: tuple[PurchaseDay, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    responses: tuple[Response, ...] = ()
    events: tuple[HeldEvent, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    changes: tuple[PreferenceRecord, ...] = ()
    stored_answers: int = 0
