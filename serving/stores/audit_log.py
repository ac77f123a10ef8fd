"""The log in the store's tables."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import polars as pl
from sqlalchemy import Connection, Select, delete, insert, select

from recsys.contracts.audit import DECISIONS, AuditKind, AuditReport, Checkpoint, DecisionRecord
from recsys.contracts.document import decode_document, encode_document
from serving.audit.chain import GENESIS, commitment, link, new_nonce, ranges
from serving.audit.records import Entry, Erased, Payload, Pruned, decode_payload, encode_payload, with_subject
from serving.stores import schema
from serving.stores.audit_verification import verify
from serving.stores.database import Database
from serving.stores.interface import StoreError
from serving.stores.straight import fetch, fetch_among, write_rows
from serving.stores.times import instant, micros
from serving.stores.writing import remember, remembered

_AT_ONCE: Final = 10_000
_NEWEST: Final = "SELECT sequence, hash FROM audit_chain ORDER BY sequence DESC LIMIT 1"
_PERSONS: Final = "SELECT subject, max(person) FROM audit_persons WHERE subject IN (??) GROUP BY subject"
_ADD_LINKS: Final = "INSERT INTO audit_chain (sequence, commitment, hash) VALUES (?, ?, ?)"
_ADD_PAYLOADS: Final = """
INSERT INTO audit_payloads (sequence, person, decision_id, nonce, payload) VALUES (?, ?, ?, ?, ?)
"""
_ADD_PERSONS: Final = "INSERT INTO audit_persons (person, subject) VALUES (?, ?)"
_BASE: Final = "audit.base"  # in `meta`: the checkpoint up to which records were pruned


@dataclass(frozen=True, slots=True)
class _Head:
    sequence: int
    hash: bytes


class SqlAuditLog:
    """See `serving.stores.interface.AuditLog`. What has `connection` runs within a transaction of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, kind: AuditKind, body: object, *, now: dt.datetime) -> None:
        """Write down what concerns no person."""
        self._database.write(lambda connection: self.write(connection, [Entry(kind, body)], now), durable=True)

    def write(self, connection: Connection, entries: Sequence[Entry], now: dt.datetime) -> None:
        """Append entries. Whoever calls has locked the subjects that they are about."""
        if not entries:
            return
        persons = _persons(connection, {entry.subject for entry in entries if entry.subject is not None})
        self._database.lock_last(connection)
        head = _head(connection)
        links, payloads, before = [], [], head.hash
        for number, entry in enumerate(entries, head.sequence + 1):
            person = None if entry.subject is None else persons[entry.subject]
            nonce, payload = new_nonce(), encode_payload(entry, person, now)
            committed = commitment(nonce, payload)
            before = link(before, number, committed)
            links.append((number, committed, before))
            payloads.append((number, person, entry.decision_id, nonce, payload))
        write_rows(connection, _ADD_LINKS, links)
        write_rows(connection, _ADD_PAYLOADS, payloads)

    def forget(self, connection: Connection, subjects: Sequence[str], order_id: str, now: dt.datetime) -> int:
        """Delete every payload about these persons, and write down which."""
        person, payload = schema.audit_persons.c, schema.audit_payloads.c
        theirs = payload.person.in_(select(person.person).where(person.subject.in_(subjects)))
        gone = connection.execute(select(payload.sequence).where(theirs).order_by(payload.sequence)).scalars().all()
        connection.execute(delete(schema.audit_payloads).where(theirs))
        connection.execute(delete(schema.audit_persons).where(person.subject.in_(subjects)))
        erased = Erased(order_id=order_id, sequences=ranges(gone))
        self.write(connection, [Entry(AuditKind.ERASURE, erased)], now)
        return len(gone)

    def newest(self) -> dt.datetime | None:
        """When the newest record was written."""
        payload = schema.audit_payloads.c
        query = select(payload.payload).order_by(payload.sequence.desc()).limit(1)
        found = self._database.read(lambda connection: connection.execute(query).scalar())
        try:
            return None if found is None else decode_payload(found).at
        except msgspec.DecodeError:
            mend = "Restore it from a backup, or load again into a new one"
            raise StoreError("the state is damaged", where=self._database.where, mend=mend) from None

    def verify(self, anchor: Checkpoint | None = None) -> AuditReport:
        """Recompute the chain."""
        return self._database.read(lambda connection: verify(connection, _base(connection), anchor), patient=True)

    def checkpoint(self, *, now: dt.datetime) -> Checkpoint:
        """Remember the head."""

        def work(connection: Connection) -> Checkpoint:
            self._database.lock_last(connection)
            head = _head(connection)
            row = {"sequence": head.sequence, "hash": head.hash, "at": micros(now)}
            connection.execute(
                delete(schema.audit_checkpoints).where(schema.audit_checkpoints.c.sequence == head.sequence)
            )
            connection.execute(insert(schema.audit_checkpoints), row)
            return Checkpoint(sequence=head.sequence, hash=head.hash.hex(), at=now)

        return self._database.write(work, durable=True)

    def prune(self, *, before: dt.datetime, now: dt.datetime) -> int:
        """Delete what stands before the newest checkpoint that is older than `before`."""

        def work(connection: Connection) -> int:
            self._database.lock_last(connection)
            made = schema.audit_checkpoints.c
            query = select(schema.audit_checkpoints).where(made.at < micros(before)).order_by(made.sequence.desc())
            found = connection.execute(query.limit(1)).first()
            base = _base(connection)
            if found is None or found.sequence <= (base.sequence if base else 0):
                return 0
            return self._prune_to(connection, found, now)

        return self._database.write_alone(work)

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """A decision by its id."""
        person, payload = schema.audit_persons.c, schema.audit_payloads.c
        query = select(payload.payload, person.subject).join_from(
            schema.audit_payloads, schema.audit_persons, payload.person == person.person
        )
        one = query.where(payload.decision_id == decision_id)
        found = self._database.read(lambda connection: connection.execute(one).first())
        return None if found is None else with_subject(decode_payload(found.payload).body, found.subject)

    def about(self, connection: Connection, subject: str) -> list[Payload]:
        """Every payload about a person, oldest first."""
        person, payload = schema.audit_persons.c, schema.audit_payloads.c
        theirs = payload.person.in_(select(person.person).where(person.subject == subject))
        query = select(payload.payload).where(theirs).order_by(payload.sequence)
        return [decode_payload(text) for text in connection.execute(query).scalars()]

    def decisions(self) -> Iterator[pl.DataFrame]:
        """All decisions, in parts."""
        last, person, payload = 0, schema.audit_persons.c, schema.audit_payloads.c
        query = select(payload.sequence, payload.payload, person.subject).join_from(
            schema.audit_payloads, schema.audit_persons, payload.person == person.person
        )
        while True:
            part = query.where(payload.sequence > last, payload.decision_id.is_not(None))
            ordered = part.order_by(payload.sequence).limit(_AT_ONCE)
            rows = self._all(ordered)
            if not rows:
                return
            yield _table([with_subject(decode_payload(row.payload).body, row.subject) for row in rows])
            last = rows[-1].sequence

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        return self._database.read(lambda connection: connection.execute(query).all(), patient=True)

    def _prune_to(self, connection: Connection, checkpoint: Any, now: dt.datetime) -> int:  # noqa: ANN401 - a row
        chain, payload, person = schema.audit_chain.c, schema.audit_payloads.c, schema.audit_persons.c
        made = schema.audit_checkpoints.c
        last = checkpoint.sequence
        gone = connection.execute(delete(schema.audit_chain).where(chain.sequence <= last)).rowcount
        connection.execute(delete(schema.audit_payloads).where(payload.sequence <= last))
        connection.execute(delete(schema.audit_checkpoints).where(made.sequence < last))
        used = select(payload.person).where(payload.person.is_not(None))
        connection.execute(delete(schema.audit_persons).where(person.person.not_in(used)))
        base = Checkpoint(sequence=last, hash=checkpoint.hash.hex(), at=instant(checkpoint.at))
        remember(connection, _BASE, encode_document(base).decode())
        self.write(connection, [Entry(AuditKind.PRUNE, Pruned(sequence=last, hash=base.hash))], now)
        return int(gone)


def _head(connection: Connection) -> _Head:
    for sequence, head in fetch(connection, _NEWEST):
        return _Head(sequence, bytes(head))
    base = _base(connection)
    return _Head(base.sequence, bytes.fromhex(base.hash)) if base else _Head(0, GENESIS)


def _base(connection: Connection) -> Checkpoint | None:
    found = remembered(connection, _BASE)
    return None if found is None else decode_document(found.encode(), Checkpoint, where="the state")


def _persons(connection: Connection, subjects: set[str]) -> dict[str, int]:
    """The number of each subject; a new random one for who has none."""
    known: dict[str, int] = dict(fetch_among(connection, _PERSONS, sorted(subjects)))
    new = {subject: secrets.randbits(62) for subject in sorted(subjects - known.keys())}
    if new:
        write_rows(connection, _ADD_PERSONS, [(number, subject) for subject, number in new.items()])
    return known | new


def _table(records: Sequence[DecisionRecord]) -> pl.DataFrame:
    made = [(record.decision, record.request) for record in records]
    frame = pl.DataFrame(
        {
            "decision_id": [decision.decision_id for decision, _ in made],
            "subject": [decision.subject for decision, _ in made],
            "at": [decision.at for decision, _ in made],
            "channel": [request.channel for _, request in made],
            "placement": [request.placement for _, request in made],
            "model_version": [decision.model_version for decision, _ in made],
            "policy_version": [decision.policy_version for decision, _ in made],
            "arm": [decision.arm for decision, _ in made],
            "fill": [decision.fill.value for decision, _ in made],
            "trial": [record.details.get("trial") for record in records],
            "arm_share": [record.details.get("arm_share") for record in records],
            "offers": [[item.offer_id for item in decision.items] for decision, _ in made],
            "scores": [[item.score for item in decision.items] for decision, _ in made],
            "propensities": [[item.propensity for item in decision.items] for decision, _ in made],
        },
        schema={column.name: column.dtype for column in DECISIONS.columns},
    )
    return DECISIONS.checked(frame, where="the audit log")
