"""The store over a database: which work is one transaction, and which transactions have to survive a power failure."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select

from recsys.contracts.access import SubjectAccess
from recsys.contracts.audit import AuditKind, DecisionRecord
from recsys.contracts.erasure import ErasedTokens, ErasureReceipt
from recsys.contracts.preferences import Preferences, PreferencesChange
from recsys.contracts.rekey import RekeyMap, RekeyReceipt
from recsys.contracts.relink import RelinkOrder, RelinkReceipt
from recsys.contracts.token import Lineage
from recsys.history import ItemIndex
from recsys.policy.document import Cap
from serving.audit.records import Entry
from serving.stores import accessing, erasing, feedback, rekeying, relinking, restoring, saying, schema, settling
from serving.stores.answers import SqlIdempotency
from serving.stores.audit_log import SqlAuditLog
from serving.stores.callers import SqlApiKeys
from serving.stores.database import PATIENCE, Database
from serving.stores.exporting import SqlExports
from serving.stores.interface import StoreError
from serving.stores.loading import Loader
from serving.stores.people import PeopleReader
from serving.stores.records import Changes, Known, People, Recorded, Reported, Settled, Settling
from serving.stores.times import micros
from serving.stores.writing import count_up, erased_among, remember, remembered

_BRIEFLY: Final = 1.0  # seconds that readiness waits for others
_ANNOUNCED: Final = "announced"  # in `meta`: what was reloaded last


class SqlStore:
    """See `serving.stores.interface.Store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people = PeopleReader(database)
        self.audit = SqlAuditLog(database)
        self.idempotency = SqlIdempotency(database)
        self.keys = SqlApiKeys(database, self.audit)
        self.exports = SqlExports(database)

    def lineages(self) -> frozenset[Lineage]:
        """Whose tokens are accepted."""
        query = select(schema.lineages.c.domain, schema.lineages.c.epoch)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return frozenset(Lineage(domain, epoch) for domain, epoch in rows)

    def read(self, subjects: Sequence[str], index: ItemIndex, *, patience: float = PATIENCE) -> Known:
        """What is known of each of `subjects`."""
        with self._decoding():
            return self._people.read(subjects, index, patience=patience)

    def prepare(self, index: ItemIndex) -> None:
        """Learn the items."""
        self._people.prepare(index)

    def changes(self) -> Changes:
        """How often things changed."""
        counted = self._database.counters()
        return Changes(counted["lineages"], counted["keys"], counted["reloads"])

    def announce_reload(self, versions: Mapping[str, str], *, now: dt.datetime) -> int:
        """Tell every worker."""

        def work(connection: Connection) -> int:
            self._database.lock(connection, [_ANNOUNCED])
            number = count_up(connection, "reloads")
            remember(connection, _ANNOUNCED, msgspec.json.encode(versions).decode())
            self.audit.write(connection, [Entry(AuditKind.RELOAD, versions)], now)
            return number

        return self._database.write(work, durable=True)

    def announced(self) -> dict[str, str]:
        """What they were told last."""
        with self._decoding():
            found = self._database.read(lambda connection: remembered(connection, _ANNOUNCED))
            return {} if found is None else msgspec.json.decode(found, type=dict[str, str])

    def record(self, events: Sequence[Reported], *, now: dt.datetime, caps: Sequence[Cap] = ()) -> Recorded:
        """Take what happened."""
        if not events:
            return Recorded(0, 0)
        with self._decoding():
            return self._database.write(
                lambda connection: feedback.record(self._database, connection, events, now=now, caps=caps),
                durable=feedback.durable(events),
            )

    def settle(
        self, decisions: Sequence[Settling], *, now: dt.datetime, patience: float = PATIENCE
    ) -> tuple[Settled, ...]:
        """Write decisions down."""
        with self._decoding():
            return self._database.write(
                lambda connection: settling.settle(self._database, self.audit, connection, decisions, now),
                durable=False,
                patience=patience,
            )

    def preferences(self, subject: str) -> Preferences:
        """What holds."""
        with self._decoding():
            return self._database.read(lambda connection: accessing.preferences(connection, subject))

    def change_preferences(self, subject: str, change: PreferencesChange, *, now: dt.datetime) -> Preferences:
        """Apply a change."""

        def work(connection: Connection) -> Preferences:
            saying.change(self._database, self.audit, connection, (subject, change), now)
            return accessing.preferences(connection, subject)

        with self._decoding():
            return self._database.write(work, durable=True)

    def access(self, subject: str) -> SubjectAccess:
        """Everything that is held."""
        with self._decoding():
            return self._database.read(lambda connection: accessing.access(self.audit, connection, subject))

    def erase(self, subjects: Sequence[str], *, order_id: str, now: dt.datetime) -> ErasureReceipt:
        """Forget a person."""
        receipt = self._database.write(
            lambda connection: erasing.erase(self._database, self.audit, connection, (subjects, order_id), now),
            durable=True,
        )
        with contextlib.suppress(StoreError):  # it is done and on the disk; the next erasure or vacuum scrubs
            self._database.scrub()
        return receipt

    def erased(self, subjects: Sequence[str]) -> frozenset[str]:
        """Those who were erased."""
        return self._database.read(lambda connection: erased_among(connection, subjects))

    def tombstones(self) -> ErasedTokens:
        """Who was erased."""
        return self._database.read(restoring.tombstones_of, patient=True)

    def erase_again(self, tombstones: ErasedTokens, *, order_id: str, now: dt.datetime) -> ErasureReceipt:
        """Erase whoever came back with a backup."""
        receipt = self._database.write_alone(
            lambda connection: restoring.erase_again(
                self._database, self.audit, connection, (tombstones, order_id), now
            )
        )
        self._database.scrub()
        return receipt

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """A decision from the log."""
        with self._decoding():
            return self.audit.decision(decision_id)

    def load(self, people: People, *, now: dt.datetime, progress: Callable[[int], None]) -> int:
        """Replace what was loaded of that epoch."""
        return Loader(self._database, self.audit).load(people, now, progress)

    def rekey(self, applied: RekeyMap, *, now: dt.datetime) -> RekeyReceipt:
        """Replace every token of the map's old epoch."""
        receipt = self._database.write_alone(
            lambda connection: rekeying.apply_map(self._database, self.audit, connection, applied, now)
        )
        self._database.scrub()
        return receipt

    def rekeyed(self, map_id: str) -> RekeyReceipt | None:
        """The receipt of a map that was applied."""
        return self._database.read(lambda connection: rekeying.receipt_for(connection, map_id))

    def relink(self, order: RelinkOrder, *, skip: bool, now: dt.datetime) -> RelinkReceipt:
        """Join people, and part people."""
        with self._decoding():
            receipt = self._database.write_alone(
                lambda connection: relinking.obey(self._database, self.audit, connection, (order, skip), now)
            )
        self._database.scrub()
        return receipt

    def relinked(self, order_id: str) -> RelinkReceipt | None:
        """The receipt of an order that was obeyed."""
        return self._database.read(lambda connection: relinking.receipt_for(connection, order_id))

    def prune_events(self, before: dt.datetime) -> int:
        """Delete what arrived before an instant."""
        old = delete(schema.events).where(schema.events.c.received < micros(before))
        return self._database.write_alone(lambda connection: int(connection.execute(old).rowcount))

    def vacuum(self) -> None:
        """Leave no byte of what was deleted."""
        self._database.vacuum()

    def backup(self, out: Path) -> None:
        """Copy one moment."""
        self._database.backup(out)

    def check(self) -> None:
        """Return when the store answers."""
        self._database.check()

    def try_out(self, *, now: dt.datetime) -> None:
        """Write something that is about nobody."""
        self._database.check()
        probe = secrets.token_bytes(32)
        self.idempotency.begin(probe, probe, now=now, patience=_BRIEFLY)
        self.idempotency.abandon(probe)

    def close(self) -> None:
        """Let go of everything."""
        self._database.close()

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """Turn what cannot be decoded into `StoreError`: it is not what was written."""
        try:
            yield
        except (msgspec.DecodeError, ValueError, OverflowError):
            mend = "Restore it from a backup, or load again into a new one"
            raise StoreError("the state is damaged", where=self._database.where, mend=mend) from None
