"""What stands in the audit log's payloads. No token: a person is a random number, which one table knows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from recsys.contracts.audit import AuditKind, DecisionRecord
from recsys.contracts.decision import Decision, DecisionRequest


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to write down.

    Args:
        kind: What it is.
        body: Anything that is JSON, without tokens.
        subject: Whom it is about: an erasure deletes it.
        decision_id: Under which a decision is found again.
    """

    kind: AuditKind
    body: object
    subject: str | None = None
    decision_id: str | None = None


class Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The text that a record commits to."""

    kind: AuditKind
    at: dt.datetime
    person: int | None
    body: msgspec.Raw


class Erased(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of an erasure: which records lost their payloads, as runs of sequence numbers."""

    order_id: str
    sequences: list[tuple[int, int]]


class Pruned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a pruning: the checkpoint up to which records were deleted."""

    sequence: int
    hash: str


_PAYLOAD: Final = msgspec.json.Decoder(Payload)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def encode_payload(entry: Entry, person: int | None, at: dt.datetime) -> bytes:
    """The bytes that are committed to."""
    body = msgspec.Raw(_ENCODER.encode(entry.body))
    return _ENCODER.encode(Payload(kind=entry.kind, at=at, person=person, body=body))


def decode_payload(payload: bytes) -> Payload:
    """What was encoded."""
    return _PAYLOAD.decode(payload)


def without_subject(record: DecisionRecord) -> DecisionRecord:
    """A decision's body: the record with nothing in the places of the token."""
    replace = msgspec.structs.replace
    return replace(record, decision=replace(record.decision, subject=""), request=replace(record.request, subject=""))


def with_subject(body: msgspec.Raw, subject: str) -> DecisionRecord:
    """The record again."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    decision, request = fields.pop("decision"), fields.pop("request")
    return DecisionRecord(
        decision=msgspec.convert({**decision, "subject": subject}, Decision),
        request=msgspec.convert({**request, "subject": subject}, DecisionRequest),
        reserved=tuple(fields.get("reserved", ())),
        details=fields.get("details", {}),
    )
