"""Access: everything that is held about one person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from recsys.contracts.access import PreferenceRecord, PurchaseDay, SubjectAccess
from recsys.contracts.audit import AuditKind
from recsys.contracts.preferences import Preferences
from recsys.history import EPOCH
from serving.audit.records import with_subject
from serving.stores import schema
from serving.stores.activity import Activity, exposures_of, reservations_of, responses_of
from serving.stores.audit_log import SqlAuditLog
from serving.stores.events import held_event_of
from serving.stores.packed import unpack
from serving.stores.saying import preferences_of
from serving.stores.times import instant
from serving.stores.writing import activities

_HIGHEST_CODE: Final = 2**31 - 1  # of an item, as the tables can hold it
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])


def access(log: SqlAuditLog, connection: Connection, subject: str) -> SubjectAccess:
    """Gather it, on one view of the store."""
    loaded, person = _loaded(connection, subject), activities(connection, [subject])[subject]
    events = [held_event_of(row) for row in _events(connection, subject) if row.type is not None]
    written = log.about(connection, subject)
    answers = _answers(connection, subject)
    return SubjectAccess(
        subject=subject,
        held=bool(loaded or events or written or answers or person != Activity()),
        adult=loaded and loaded.adult,
        store=loaded and loaded.store,
        region=loaded and loaded.region,
        arm=person.arm,
        preferences=_preferences(person, loaded),
        purchases=_purchases(connection, loaded),
        exposures=exposures_of(person.shown),
        reservations=reservations_of(person.shown),
        responses=responses_of(person.shown),
        events=tuple(events),
        decisions=tuple(with_subject(one.body, subject) for one in written if one.kind is AuditKind.DECISION),
        changes=tuple(
            PreferenceRecord(at=one.at, kind=one.kind.value, change=one.body)
            for one in written
            if one.kind is not AuditKind.DECISION
        ),
        stored_answers=answers,
    )


def preferences(connection: Connection, subject: str) -> Preferences:
    """What the person told the service, or what was loaded."""
    return _preferences(activities(connection, [subject])[subject], _loaded(connection, subject))


def _preferences(person: Activity, loaded: Any) -> Preferences:  # noqa: ANN401 - a row
    if loaded is None:
        return preferences_of(person.said, ((), ()), instant(0))
    wanted = (_TEXTS.decode(loaded.consents), _TEXTS.decode(loaded.interests))
    return preferences_of(person.said, wanted, instant(loaded.loaded))


def _loaded(connection: Connection, subject: str) -> Any:  # noqa: ANN401 - a row
    person, lineage = schema.subjects, schema.lineages
    joined = person.join(lineage, person.c.generation == lineage.c.generation)
    query = select(person, lineage.c.loaded).select_from(joined).where(person.c.subject == subject)
    return connection.execute(query).first()


def _events(connection: Connection, subject: str) -> Sequence[Any]:
    event = schema.events.c
    theirs = select(schema.events).where(event.subject == subject)
    return connection.execute(theirs.order_by(event.received, event.event_id)).all()


def _answers(connection: Connection, subject: str) -> int:
    about = schema.answer_subjects.c
    query = select(func.count()).select_from(schema.answer_subjects).where(about.subject == subject)
    return int(connection.execute(query).scalar_one())


def _purchases(connection: Connection, loaded: Any) -> tuple[PurchaseDay, ...]:  # noqa: ANN401 - a row
    if loaded is None:
        return ()
    rows, _ = unpack([loaded.history])
    codes = set(rows["item"].tolist())
    item = schema.items.c
    known = [code for code in codes if code <= _HIGHEST_CODE]
    names = dict(connection.execute(select(item.code, item.name).where(item.code.in_(known))).all())
    if len(names) < len(codes):
        raise ValueError("a history holds an item without a name")
    return tuple(
        PurchaseDay(
            item=names[int(row["item"])],
            day=EPOCH + dt.timedelta(days=int(row["day"])),
            quantity=float(row["quantity"]),
            baskets=int(row["baskets"]),
        )
        for row in rows
    )
