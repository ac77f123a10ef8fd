"""Verifying the chain: what was edited, deleted, put in another order or cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from recsys.contracts.audit import AuditKind, AuditReport, Checkpoint
from serving.audit.chain import GENESIS, commitment, link
from serving.audit.records import Erased, Payload, Pruned, decode_payload
from serving.stores import schema

_AT_ONCE: Final = 10_000
_MOST_FAULTS: Final = 20  # are named; whatever comes after them is counted


def verify(connection: Connection, base: Checkpoint | None, anchor: Checkpoint | None) -> AuditReport:
    """Walk the chain from `base` on and report every fault."""
    checkpoints = connection.execute(select(schema.audit_checkpoints)).all()
    known = {row.sequence: row.hash.hex() for row in checkpoints}
    walk = _Walk(base, wanted={*known, *([anchor.sequence] if anchor else [])})
    for row in _records(connection):
        walk.step(row)
    walk.finish()
    if anchor is not None:
        walk.compare("the anchor", anchor.sequence, anchor.hash)
    for sequence, digest in known.items():
        walk.compare("the checkpoint", sequence, digest)
    strays = connection.execute(
        select(func.count())
        .select_from(schema.audit_payloads)
        .where(schema.audit_payloads.c.sequence.not_in(select(schema.audit_chain.c.sequence)))
    ).scalar_one()
    if strays:
        walk.faults.append(f"{strays} payloads stand in the log without a record")
    return AuditReport(
        records=walk.records,
        erased=len(walk.missing),
        pruned=base.sequence if base else 0,
        head=walk.sequence,
        checkpoint=max([*known, anchor.sequence if anchor else 0], default=0),
        faults=_shortened(walk.faults),
    )


def _records(connection: Connection) -> Iterator[Any]:
    chain, payload = schema.audit_chain.c, schema.audit_payloads.c
    joined = schema.audit_chain.outerjoin(schema.audit_payloads, chain.sequence == payload.sequence)
    columns = (chain.sequence, chain.commitment, chain.hash, payload.person, payload.decision_id)
    query = select(*columns, payload.nonce, payload.payload).select_from(joined).order_by(chain.sequence)
    last = -1
    while rows := connection.execute(query.where(chain.sequence > last).limit(_AT_ONCE)).all():
        yield from rows
        last = rows[-1].sequence


@dataclass(slots=True)
class _Walk:
    """Where the walk along the chain is, and what it has seen."""

    base: Checkpoint | None
    wanted: set[int]
    sequence: int = 0
    hash: bytes = GENESIS
    records: int = 0
    hashes: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    pruned: Pruned | None = None
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.base is not None:
            self.sequence, self.hash = self.base.sequence, bytes.fromhex(self.base.hash)
        self._pass_by()

    def step(self, row: Any) -> None:  # noqa: ANN401 - a row
        self.records += 1
        if row.sequence != self.sequence + 1:
            self.faults.append(f"after record {self.sequence} comes record {row.sequence}: some were deleted")
        self.sequence = row.sequence
        if link(self.hash, row.sequence, row.commitment) != row.hash:
            self.faults.append(f"record {row.sequence} does not continue the one before it")
        self.hash = row.hash
        self._pass_by()
        if row.payload is None:
            self.missing.add(row.sequence)
        elif commitment(row.nonce, row.payload) != row.commitment:
            self.faults.append(f"record {row.sequence}: its text is not what was written down")
        else:
            self._read(row)

    def finish(self) -> None:
        for number in sorted(self.missing - self.forgotten):
            self.faults.append(f"record {number}: its text was deleted, and no erasure names it")
        for number in sorted(self.forgotten - self.missing):
            if self.base is None or number > self.base.sequence:
                self.faults.append(f"record {number} was to be forgotten, and its text is there")
        if self.base is not None and (
            self.pruned is None or (self.pruned.sequence, self.pruned.hash) != (self.base.sequence, self.base.hash)
        ):
            self.faults.append("the chain does not begin where it was last pruned")

    def compare(self, what: str, sequence: int, digest: str) -> None:
        found = self.hashes.get(sequence)
        if found is None and sequence > self.sequence:
            self.faults.append(f"{what} at record {sequence} lies behind the end: the log was cut off")
        elif found is None:
            self.faults.append(f"{what} at record {sequence} is not in the chain")
        elif found != digest:
            self.faults.append(f"{what} at record {sequence} does not fit the chain: it was written anew")

    def _pass_by(self) -> None:
        if self.sequence in self.wanted:
            self.hashes[self.sequence] = self.hash.hex()

    def _read(self, row: Any) -> None:  # noqa: ANN401 - a row
        try:
            payload = decode_payload(row.payload)
            decision_id = _decision_id(payload)
            if (payload.person, decision_id) != (row.person, row.decision_id):
                self.faults.append(f"record {row.sequence} was put to somebody else's account, or under another name")
            if payload.kind is AuditKind.ERASURE:
                erased = msgspec.json.decode(payload.body, type=Erased)
                self.forgotten.update(n for first, last in erased.sequences for n in range(first, last + 1))
            elif payload.kind is AuditKind.PRUNE:
                self.pruned = msgspec.json.decode(payload.body, type=Pruned)
        except msgspec.DecodeError:
            self.faults.append(f"record {row.sequence}: its text cannot be read")


class _Named(msgspec.Struct):
    decision_id: str


class _Decided(msgspec.Struct):
    decision: _Named


def _decision_id(payload: Payload) -> str | None:
    if payload.kind is not AuditKind.DECISION:
        return None
    return msgspec.json.decode(payload.body, type=_Decided).decision.decision_id


def _shortened(faults: list[str]) -> tuple[str, ...]:
    more = len(faults) - _MOST_FAULTS
    return (*faults[:_MOST_FAULTS], *([f"and {more} more"] if more > 0 else []))
