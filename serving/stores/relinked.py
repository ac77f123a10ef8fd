"""The two acts of a relink order: joining people's records, and parting them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import polars as pl
from sqlalchemy import Connection, select, update

from recsys.contracts.audit import AuditKind
from recsys.contracts.relink import Act, RelinkOrder
from serving.audit.records import Entry
from serving.stores import schema
from serving.stores.activity import Activity, Said
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.erasing import forget_answers
from serving.stores.events import event_of
from serving.stores.feedback import BOUGHT, add_purchases
from serving.stores.people_rows import delete_people, in_parts, read_people, rename, write_people
from serving.stores.uniting import Held, Loaded, united

_PEOPLE_AT_ONCE: Final = 1_000
_KEPT: Final = frozenset({"event_id", "subject", "received"})  # of a purchase that nobody can be said to have made


@dataclass(frozen=True, slots=True)
class Work:
    """Where an order is obeyed."""

    database: Database
    log: SqlAuditLog
    connection: Connection
    order_id: str
    now: dt.datetime

    def note(self, act: Act, people: Mapping[str, Held]) -> None:
        """Write into the audit log what people agree to from now on, for each of them."""
        said = [
            Entry(
                AuditKind.RELINK,
                {
                    "order_id": self.order_id,
                    "act": act.value,
                    "agreed": sorted(purpose for purpose in one.purposes() if one.agrees(purpose)),
                },
                subject=token,
            )
            for token, one in people.items()
        ]
        self.log.write(self.connection, said, self.now)


def join(work: Work, joins: pl.DataFrame) -> dict[str, int]:
    """Put people together; how many rows of each table have another token now."""
    olds: defaultdict[str, list[str]] = defaultdict(list)
    for old, new in sorted(joins.select("from", "to").iter_rows()):
        olds[new].append(old)
    counts = dict.fromkeys(("subjects", "activity", "events", "audit_persons"), 0)
    for news in in_parts(sorted(olds), _PEOPLE_AT_ONCE):
        gone = [old for new in news for old in olds[new]]
        found = read_people(work.connection, [*news, *gone])
        whole = {new: _one(work, [new, *olds[new]], found) for new in news}
        counts["subjects"] += sum(found[old].loaded is not None for old in gone)
        counts["activity"] += sum(found[old].activity != Activity() for old in gone)
        delete_people(work.connection, [*news, *gone])
        write_people(work.connection, whole)
        names = {old: new for new in news for old in olds[new]}
        for table in (schema.events, schema.audit_persons):
            counts[table.name] += rename(work.connection, table, names)
        forget_answers(work.connection, [*news, *gone])
        work.note(Act.JOIN, whole)
    return counts


def part(work: Work, order: RelinkOrder) -> tuple[dict[str, int], dict[str, int]]:
    """Take people apart; how many rows of each table were told apart, and how many were removed or emptied."""
    told, removed = {"events": 0}, {"subjects": 0, "events": 0}
    ends: defaultdict[str, list[str]] = defaultdict(list)
    for old, new in sorted(order.parts.select("from", "to").iter_rows()):
        ends[old] += [new] * (new != old)
    for old, news in ends.items():
        owners = dict(order.baskets.filter(pl.col("from") == old).select("basket", "to").iter_rows())
        found = read_people(work.connection, [old, *news])
        removed["subjects"] += found[old].loaded is not None
        left = _what_counts_for_all(found[old])
        after = {new: united([found[new], left], found[new].activity.arm or left.activity.arm) for new in news}
        after[old] = dataclasses.replace(left, loaded=Loaded() if found[old].loaded is not None else None)
        delete_people(work.connection, [old, *news])
        write_people(work.connection, after)
        moved, reduced = _part_purchases(work, old, owners)
        told["events"] += moved
        removed["events"] += reduced
        forget_answers(work.connection, [old, *news])
        work.note(Act.PART, after)
    return told, removed


def _one(work: Work, tokens: Sequence[str], found: Mapping[str, Held]) -> Held:
    """The person whose tokens these are, the one that stays first."""
    held = {token: found[token] for token in tokens}
    arms = {token: one.activity.arm for token, one in held.items() if one.activity.arm is not None}
    if len(set(arms.values())) > 1:
        arms = dict(sorted(arms.items(), key=lambda item: _assigned(work, *item)))
    return united(list(held.values()), next(iter(arms.values()), None))


def _assigned(work: Work, token: str, arm: str) -> dt.datetime:
    """When the first decision in an arm was made; what was pruned from the log is older than anything in it."""
    for payload in work.log.about(work.connection, token):
        if payload.kind is AuditKind.DECISION:
            decided = msgspec.json.decode(payload.body, type=_Decided).decision
            if decided.arm == arm:
                return payload.at
    return dt.datetime.min.replace(tzinfo=dt.UTC)


def _what_counts_for_all(held: Held) -> Held:
    """Of several people under one token: what was refused and what was shown. What was agreed to is asked for anew."""
    said = held.activity.said
    refused = {purpose: consent for purpose, consent in said.consents.items() if not consent.granted}
    return Held(None, Activity(held.activity.arm, Said(refused, None, dict(said.dismissals)), held.activity.shown))


def _part_purchases(work: Work, old: str, owners: Mapping[str, str]) -> tuple[int, int]:
    """Give purchases that came as events to whose receipts they are on, in new histories; of others the id stays."""
    event = schema.events
    kinds = [kind.value for kind in BOUGHT]
    theirs = select(event).where(event.c.subject == old, event.c.type.in_(kinds))
    rows = work.connection.execute(theirs.order_by(event.c.received, event.c.event_id)).all()
    told = [msgspec.structs.replace(event_of(row), subject=owners[row.basket]) for row in rows if row.basket in owners]
    for one in told:
        work.connection.execute(update(event).where(event.c.event_id == one.event_id).values(subject=one.subject))
    unknown = [row.event_id for row in rows if row.basket not in owners]
    nothing: dict[str, Any] = {column.name: None for column in event.columns if column.name not in _KEPT}
    for part_of in in_parts(unknown, _PEOPLE_AT_ONCE):
        work.connection.execute(update(event).where(event.c.event_id.in_(part_of)).values(nothing))
    add_purchases(work.database, work.connection, told)
    return len(told), len(unknown)


class _Arm(msgspec.Struct):
    arm: str


class _Decided(msgspec.Struct):
    decision: _Arm
