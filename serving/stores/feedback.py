"""Recording what happened: histories, exposures, responses, dismissals, each event once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from recsys.contracts.event import Event, EventType
from recsys.contracts.preferences import MAX_DISMISSALS, StandingDismissal, dismissal_id
from recsys.contracts.state import DismissalScope, ResponseKind
from recsys.contracts.token import Lineage, Token, lineage_of
from recsys.policy.document import Cap
from serving.stores import schema
from serving.stores.activity import Activity, Answered, ShownOffer
from serving.stores.bulk import event_rows
from serving.stores.caps import Place, without_room
from serving.stores.database import Database
from serving.stores.packed import Rows, add
from serving.stores.records import Recorded, Reported
from serving.stores.straight import fetch_among, write_rows
from serving.stores.times import micros, utc
from serving.stores.writing import (
    activities,
    check_epochs,
    erased_among,
    item_codes,
    upsert,
    write_activities,
)

LATE: Final = dt.timedelta(hours=1)  # an exposure that is reported later is remarked upon
LATE_REMARK: Final = "late"
OVER_CAP: Final = "over_cap"
BOUGHT: Final = frozenset({EventType.PURCHASE, EventType.RETURN})
_RECORDED: Final = "SELECT event_id FROM events WHERE event_id IN (??)"
_ADD_EVENT: Final = """
INSERT INTO events (event_id, subject, type, at, received, item, offer_id, decision_id, channel,
                    quantity, value, basket, reason, expires, categories, remarks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RESPONSES: Final = {
    EventType.CLICK: ResponseKind.CLICK,
    EventType.REDEMPTION: ResponseKind.REDEMPTION,
    EventType.IGNORED: ResponseKind.IGNORED,
}


@dataclass(slots=True)
class _Batch:
    """New events of people who may be written about."""

    fresh: list[Reported]
    people: dict[str, Activity]
    now: dt.datetime
    caps: Sequence[Cap]
    remarks: dict[str, tuple[str, ...]] = field(default_factory=dict)


def durable(events: Sequence[Reported]) -> bool:
    """Whether the batch has to survive a power failure: a person who said no has said so."""
    return any(one.event.type is EventType.DISMISSAL for one in events)


def record(
    database: Database, connection: Connection, events: Sequence[Reported], *, now: dt.datetime, caps: Sequence[Cap]
) -> Recorded:
    """Record within a transaction; see `Store.record`."""
    named = {name for one in events for name in (one.event.subject, one.event.event_id)}
    database.lock(connection, named)
    check_epochs(connection, {one.event.subject for one in events})
    gone = erased_among(connection, [one.event.subject for one in events])
    erased = tuple(position for position, one in enumerate(events) if one.event.subject in gone)
    alive = [one for one in events if one.event.subject not in gone]
    fresh = [_by(now, one) for one in _not_recorded(connection, alive)]
    if not fresh:
        return Recorded(0, len(alive), erased)
    told = [one for one in fresh if one.event.type not in BOUGHT]
    batch = _Batch(fresh, activities(connection, [one.event.subject for one in told]), now, caps)
    for one in told:
        _tell(batch, one)
    write_activities(connection, batch.people)
    add_purchases(database, connection, [one.event for one in fresh if one.event.type in BOUGHT])
    write_rows(connection, _ADD_EVENT, [_row(one, batch) for one in fresh])
    remarks = [remark for own in batch.remarks.values() for remark in own]
    late, over = remarks.count(LATE_REMARK), remarks.count(OVER_CAP)
    return Recorded(len(fresh), len(alive) - len(fresh), erased, late, over)


def add_purchases(database: Database, connection: Connection, events: Sequence[Event]) -> None:
    """Add purchases and returns to the histories that hold."""
    if events:
        codes = item_codes(database, connection, {event.item or "" for event in events})
        extend(connection, event_rows(events, codes), generations(connection))


def extend(connection: Connection, more: dict[str, Rows], generation: dict[Lineage, int]) -> None:
    """Add rows to the histories of the given generations."""
    person = schema.subjects.c
    query = select(person.subject, person.history).where(
        person.subject.in_(list(more)), person.generation.in_(set(generation.values()))
    )
    have = dict(connection.execute(query).all())
    extended = [
        {
            "subject": subject,
            "generation": generation[lineage_of(Token(subject))],
            "consents": "[]",
            "interests": "[]",
            "history": add(have.get(subject, b""), rows),
        }
        for subject, rows in more.items()
    ]
    upsert(connection, schema.subjects, extended, only=("history",))


def generations(connection: Connection) -> dict[Lineage, int]:
    """Of each lineage, the generation that holds."""
    rows = connection.execute(select(schema.lineages)).all()
    return {Lineage(row.domain, row.epoch): row.generation for row in rows}


def _not_recorded(connection: Connection, events: Sequence[Reported]) -> list[Reported]:
    """The first event of each `event_id` that was never recorded."""
    first: dict[str, Reported] = {}
    for one in events:
        first.setdefault(one.event.event_id, one)
    for (known,) in fetch_among(connection, _RECORDED, list(first)):
        del first[known]
    return list(first.values())


def _by(now: dt.datetime, one: Reported) -> Reported:
    """Of whose clock is ahead, as of now: by its own date it would withhold nothing until ours has come so far."""
    return one if one.event.at <= now else replace(one, event=msgspec.structs.replace(one.event, at=utc(now)))


def _tell(batch: _Batch, one: Reported) -> None:
    """Put down in the person's activity what happened."""
    event, person = one.event, batch.people[one.event.subject]
    offer_id, at = event.offer_id or "", utc(event.at)
    if event.type is EventType.EXPOSURE:
        _show(batch, person, one)
    elif event.type is EventType.DISMISSAL:
        scope, value = (DismissalScope.ITEM, event.item) if event.item else (DismissalScope.OFFER, offer_id)
        dismiss(
            person,
            StandingDismissal(
                dismissal_id=dismissal_id(scope, value),
                scope=scope,
                value=value,
                at=at,
                expires=event.expires and utc(event.expires),
                reason=event.reason,
            ),
        )
    else:
        person.answer(Answered(at, offer_id, _RESPONSES[event.type]))


def dismiss(person: Activity, said: StandingDismissal) -> bool:
    """Let a no stand, unless a later one on the same does; false where there is no room for another."""
    standing = person.said.dismissals
    known = standing.get(said.dismissal_id)
    if known is None and len(standing) >= MAX_DISMISSALS:
        return False
    if known is None or known.at <= said.at:
        person.said.dismissals = {**standing, said.dismissal_id: said}
    return True


def _show(batch: _Batch, person: Activity, one: Reported) -> None:
    event, at, offer_id = one.event, utc(one.event.at), one.event.offer_id or ""
    shown = ShownOffer(at, offer_id, event.channel or "", one.categories, event.decision_id)
    reserved = person.take_reservation(event.decision_id, offer_id)
    remarks = []
    if batch.now - at > LATE or (reserved is not None and reserved.expires < batch.now):
        remarks.append(LATE_REMARK)
    if without_room(person.shown, [Place(offer_id, shown.channel, shown.categories)], batch.caps, at):
        remarks.append(OVER_CAP)
    if remarks:
        batch.remarks[event.event_id] = tuple(remarks)
    person.show(shown)


def _row(one: Reported, batch: _Batch) -> tuple[Any, ...]:
    """In the order of `_ADD_EVENT`."""
    event = one.event
    return (
        event.event_id,
        event.subject,
        event.type.value,
        micros(event.at),
        micros(batch.now),
        event.item,
        event.offer_id,
        event.decision_id,
        event.channel,
        event.quantity,
        event.value,
        event.basket,
        event.reason,
        None if event.expires is None else micros(event.expires),
        _texts(one.categories),
        _texts(batch.remarks.get(event.event_id)),
    )


def _texts(values: Sequence[str] | None) -> str | None:
    return msgspec.json.encode(values).decode() if values else None
