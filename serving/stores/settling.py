"""Settling decisions: caps held, places taken, arms remembered, the log written, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection

from recsys.arms import remembered
from recsys.contracts.audit import AuditKind, DecisionRecord
from serving.audit.records import Entry, without_subject
from serving.stores.activity import Activity, ReservedOffer
from serving.stores.answers import keep
from serving.stores.audit_log import SqlAuditLog
from serving.stores.caps import Place, without_room
from serving.stores.database import Database
from serving.stores.records import Replay, Settled, Settling
from serving.stores.straight import in_a_row
from serving.stores.times import utc
from serving.stores.writing import activities, check_epochs, erased_among, write_activities


def settle(
    database: Database, log: SqlAuditLog, connection: Connection, decisions: Sequence[Settling], now: dt.datetime
) -> tuple[Settled, ...]:
    """Settle within a transaction; see `Store.settle`."""
    with in_a_row(connection):
        return _settled(database, log, connection, decisions, now)


def _settled(
    database: Database, log: SqlAuditLog, connection: Connection, decisions: Sequence[Settling], now: dt.datetime
) -> tuple[Settled, ...]:
    subjects = {one.decision.subject for one in decisions}
    database.lock(connection, subjects | {one.answer.key.hex() for one in decisions if one.answer is not None})
    check_epochs(connection, subjects)
    gone = erased_among(connection, subjects)
    touching = {one.decision.subject for one in decisions if one.wanted or one.remember} - gone
    people = activities(connection, touching) if touching else {}
    changed: dict[str, Activity] = {}
    settled = []
    for one in decisions:
        subject = one.decision.subject
        if subject in gone:
            settled.append(Settled(written=False, erased=True))
            continue
        refused = _reserve(one, people[subject], now) if one.wanted else ()
        if refused:
            settled.append(Settled(written=False, refused=refused))
            continue
        if _remember(one, people.get(subject)) or one.wanted:
            changed[subject] = people[subject]
        settled.append(Settled(written=True))
    write_activities(connection, changed)
    entries = [_entry(one) for one, outcome in zip(decisions, settled, strict=True) if outcome.written]
    keep(connection, _answers(decisions, settled))
    log.write(connection, entries, now)
    return tuple(settled)


def _answers(decisions: Sequence[Settling], settled: Sequence[Settled]) -> dict[bytes, tuple[Replay, set[str]]]:
    """The answers of which every decision was written, and whom each is about."""
    whole: dict[bytes, tuple[Replay, set[str]]] = {}
    broken = set()
    for one, outcome in zip(decisions, settled, strict=True):
        if one.answer is not None:
            _, people = whole.setdefault(one.answer.key, (one.answer.replay, set()))
            people.add(one.decision.subject)
            if not outcome.written:
                broken.add(one.answer.key)
    return {key: kept for key, kept in whole.items() if key not in broken}


def _reserve(one: Settling, person: Activity, now: dt.datetime) -> tuple[str, ...]:
    """Take all places, or none and say which offers have no room."""
    channel = one.request.channel
    places = [Place(wanted.offer_id, channel, wanted.categories) for wanted in one.wanted]
    refused = without_room(person.shown, places, one.caps, now)
    if not refused:
        for wanted in one.wanted:
            taken = ReservedOffer(
                at=utc(now),
                offer_id=wanted.offer_id,
                channel=channel,
                categories=wanted.categories,
                decision_id=one.decision.decision_id,
                expires=utc(wanted.expires),
            )
            person.reserve(taken, now)
    return refused


def _remember(one: Settling, person: Activity | None) -> bool:
    """Keep the arm; whether that is anything new."""
    if person is None:
        return False
    before, person.arm = person.arm, remembered(person.arm, one.remember)
    return person.arm != before


def _entry(one: Settling) -> Entry:
    record = DecisionRecord(
        decision=one.decision,
        request=one.request,
        reserved=tuple(wanted.offer_id for wanted in one.wanted),
        details=dict(one.details),
    )
    return Entry(
        AuditKind.DECISION,
        without_subject(record),
        subject=one.decision.subject,
        decision_id=one.decision.decision_id,
    )
