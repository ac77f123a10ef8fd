"""Loading: new generations of rows are written beside those that hold, in parts; the last step lets them hold.

Neither readers nor writers wait for a load for longer than one part of it takes; the load is patient itself. What was
written of a load that was interrupted is found again by the fingerprint of what was being loaded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, select

from recsys.contracts.audit import AuditKind
from recsys.contracts.event import Event, EventType
from recsys.contracts.token import Lineage
from recsys.errors import TokenError
from recsys.history import day_number
from serving.audit.records import Entry
from serving.stores import schema
from serving.stores.audit_log import SqlAuditLog
from serving.stores.bulk import event_rows, subject_rows
from serving.stores.database import Database
from serving.stores.events import event_of
from serving.stores.feedback import extend
from serving.stores.records import People
from serving.stores.times import micros
from serving.stores.writing import count_up, erased_among, item_codes, remember, remembered, upsert

_UNDER_WAY: Final = "load"  # in `meta`
_AT_ONCE: Final = 5_000
_DAY: Final = 86_400_000_000  # microseconds


class _UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """A load that was begun: how many people of it are written, and how many were left out as erased."""

    fingerprint: str
    generation: int
    written: int
    erased: int


@dataclass(frozen=True, slots=True)
class Loader:
    """Carries a load out; see `Store.load`."""

    database: Database
    log: SqlAuditLog

    def load(self, people: People, now: dt.datetime, progress: Callable[[int], None]) -> int:
        """How many people were left out because they were erased."""
        names = people.daily["item"].unique()
        state, codes = self.database.write_alone(
            lambda connection: (self._begin(connection, people), item_codes(self.database, connection, names))
        )
        done = 0
        for batch in subject_rows(people, codes):
            done += len(batch)
            if done > state.written:
                state = self._write(batch, state, done)
            progress(len(batch))
        self.database.write_alone(lambda connection: self._finish(connection, people, state, now))
        self._clear()
        return state.erased

    def _begin(self, connection: Connection, people: People) -> _UnderWay:
        self.database.lock_all(connection)
        _check_domain(connection, people.lineage)
        found = remembered(connection, _UNDER_WAY)
        if found is not None:
            state = msgspec.json.decode(found, type=_UnderWay)
            if people.fingerprint and state.fingerprint == people.fingerprint:
                return state
        generation = count_up(connection, "generation")
        return _kept(connection, _UnderWay(fingerprint=people.fingerprint, generation=generation, written=0, erased=0))

    def _write(self, batch: Sequence[dict[str, Any]], state: _UnderWay, done: int) -> _UnderWay:
        def work(connection: Connection) -> _UnderWay:
            self.database.lock_all(connection)  # an erasure comes before this or after it, and finds the rows
            gone = erased_among(connection, [row["subject"] for row in batch])
            rows = [{**row, "generation": state.generation} for row in batch if row["subject"] not in gone]
            columns = [name for name in rows[0] if name not in {"subject", "generation"}] if rows else []
            upsert(connection, schema.subjects, rows, only=columns)
            erased = state.erased + len(gone)
            return _kept(connection, msgspec.structs.replace(state, written=done, erased=erased))

        return self.database.write_alone(work)

    def _finish(self, connection: Connection, people: People, state: _UnderWay, now: dt.datetime) -> None:
        self.database.lock_all(connection)
        lineage = people.lineage
        until = people.until or people.daily["day"].max()
        last = day_number(until) if isinstance(until, dt.date) else None
        row = {
            "domain": lineage.domain,
            "epoch": lineage.epoch,
            "generation": state.generation,
            "until": last,
            "loaded": micros(now),
        }
        upsert(connection, schema.lineages, [row], only=("generation", "until", "loaded"))
        for events in _later_purchases(connection, lineage, last):
            codes = item_codes(self.database, connection, {event.item or "" for event in events})
            extend(connection, event_rows(events, codes), {lineage: state.generation})
        remember(connection, _UNDER_WAY, None)
        count_up(connection, "lineages")
        counts = {"lineage": str(lineage), "subjects": state.written, "erased": state.erased}
        self.log.write(connection, [Entry(AuditKind.LOAD, counts)], now)

    def _clear(self) -> None:
        """Delete the rows of generations that do not hold any more, in parts."""
        row, last = schema.subjects.c, ""
        holding = select(schema.lineages.c.generation)

        def work(connection: Connection) -> str | None:
            query = select(row.subject).where(row.subject > last, row.generation.not_in(holding))
            found = connection.execute(query.order_by(row.subject).limit(_AT_ONCE)).scalars().all()
            if not found:
                return None
            under_way = remembered(connection, _UNDER_WAY)
            kept = msgspec.json.decode(under_way, type=_UnderWay).generation if under_way else -1
            stale = row.generation.not_in(holding) & (row.generation != kept)
            connection.execute(delete(schema.subjects).where(stale, row.subject > last, row.subject <= found[-1]))
            return str(found[-1])

        while (reached := self.database.write_alone(work)) is not None:
            last = reached
        self.database.scrub()


def _check_domain(connection: Connection, lineage: Lineage) -> None:
    held = set(connection.execute(select(schema.lineages.c.domain)).scalars())
    if held and lineage.domain not in held:
        raise TokenError(
            f"the state holds people of domain {' '.join(sorted(held))!r}, these are of {lineage.domain!r}",
            where="--state",
            mend="Keep the people of each domain in a state of their own",
        )


def _kept(connection: Connection, state: _UnderWay) -> _UnderWay:
    remember(connection, _UNDER_WAY, msgspec.json.encode(state).decode())
    return state


def _later_purchases(connection: Connection, lineage: Lineage, last: int | None) -> Iterator[list[Event]]:
    """Purchases that came as events and are dated after the loaded ones, a person's all together."""
    event = schema.events.c
    query = select(schema.events).where(
        event.type.in_([EventType.PURCHASE.value, EventType.RETURN.value]),
        event.subject.startswith(lineage.prefix, autoescape=True),
        event.at >= (0 if last is None else (last + 1) * _DAY),
    )
    part: list[Event] = []
    for row in connection.execute(query.order_by(event.subject, event.received, event.event_id)):
        if len(part) >= _AT_ONCE and part[-1].subject != row.subject:
            yield part
            part = []
        part.append(event_of(row))
    if part:
        yield part
