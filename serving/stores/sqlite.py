"""The store in one SQLite file, in WAL mode: readers never wait for writers.

What a load writes (consents) is on the disk when the load ends, even if the power fails then (`synchronous=FULL`).
Events survive the end of the process at any moment, and a power failure except for the last ones (`NORMAL`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from recsys.contracts.event import Event
from recsys.contracts.rekey import RekeyMap, RekeyReceipt
from recsys.contracts.state import EMPTY_STATE
from recsys.contracts.token import Lineage
from recsys.history import ItemIndex
from serving.stores import schema
from serving.stores.bulk import event_rows, state_of, subject_rows
from serving.stores.interface import StoreError
from serving.stores.packed import Rows, add, to_histories, unpack
from serving.stores.records import Known, People, Recorded
from serving.stores.rekeying import apply_map, receipt_for
from serving.stores.sqlite_files import LOAD_FIRST, answering, decoding, engine_of, is_missing, make_file, recognise

_READ: Final = select(schema.subjects).where(schema.subjects.c.subject.in_(bindparam("wanted", expanding=True)))
_INSERT: Final = insert(schema.subjects)
_UPSERT_HISTORY: Final = _INSERT.on_conflict_do_update(
    index_elements=[schema.subjects.c.subject], set_={"history": _INSERT.excluded.history}
)
_PATIENCE: Final = 0.2  # seconds that a decision waits for a lock, which no writer holds against readers for longer
_AT_ONCE: Final = 5_000  # values in one statement


class SqliteStore:
    """One file; many processes may have it open. See `serving.stores.interface.Store`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = engine_of(path, synchronous="NORMAL", writes=False, patience=_PATIENCE)
        self._recording = engine_of(path, synchronous="NORMAL", writes=True, patience=2.0)
        self._loading = engine_of(path, synchronous="FULL", writes=True, patience=30.0)
        self._codes: tuple[ItemIndex, NDArray[np.int32]] = (ItemIndex.of(()), np.empty(0, np.int32))

    @classmethod
    def opened(cls, path: Path) -> SqliteStore:
        """A file that was loaded before.

        Raises:
            StoreError: There is none, or it is not one.
        """
        if is_missing(path):
            raise StoreError("there is no state here", where=str(path), mend=LOAD_FIRST)
        with _closed_unless_kept(cls(path)) as store:
            store.check()
            if not store.lineages():
                raise StoreError("the state was never loaded", where=str(path), mend=LOAD_FIRST)
        return store

    @classmethod
    def created(cls, path: Path) -> SqliteStore:
        """A file to load, made where there is none.

        Raises:
            StoreError: What is there is something else.
            OutputError: The place cannot be written.
        """
        if is_missing(path):
            make_file(path)
        with _closed_unless_kept(cls(path)) as store:
            store.check()
        return store

    def lineages(self) -> frozenset[Lineage]:
        """The domains and epochs whose tokens are accepted."""
        with answering(self._path), self._reading.connect() as connection:
            return frozenset(Lineage(*row) for row in connection.execute(select(schema.lineages)))

    def read(self, subjects: Sequence[str], index: ItemIndex) -> Known:
        """What is known of each of `subjects`."""
        with answering(self._path), self._reading.connect() as connection, decoding(self._path):
            found = {row.subject: row for row in connection.execute(_READ, {"wanted": list(set(subjects))})}
            rows, owners = unpack([found[subject].history if subject in found else b"" for subject in subjects])
            codes = self._codes_for(connection, index, int(rows["item"].max()) if len(rows) else -1)
            states = tuple(state_of(found[subject]) if subject in found else EMPTY_STATE for subject in subjects)
        return Known(to_histories(subjects, rows, owners, codes), states)

    def record(self, events: Sequence[Event]) -> Recorded:
        """Add purchases and returns to the histories, each event once."""
        with answering(self._path), self._recording.begin() as connection:
            fresh = _not_recorded(connection, events)
            if fresh:
                codes = _numbered(connection, {event.item or "" for event in fresh})
                _extend(connection, event_rows(fresh, codes))
        return Recorded(accepted=len(fresh), duplicates=len(events) - len(fresh))

    def load(self, people: People, *, progress: Callable[[int], None]) -> None:
        """Replace all people of that epoch by `people`."""
        everyone = schema.subjects.c.subject
        same_epoch = everyone.startswith(people.lineage.prefix, autoescape=True)
        with answering(self._path):
            with self._loading.begin() as connection:
                lineage = {"domain": people.lineage.domain, "epoch": people.lineage.epoch}
                connection.execute(insert(schema.lineages).on_conflict_do_nothing(), lineage)
                connection.execute(delete(schema.subjects).where(same_epoch))
                for batch in subject_rows(people, _numbered(connection, people.daily["item"].unique())):
                    connection.execute(_INSERT, batch)
                    progress(len(batch))
                connection.execute(delete(schema.events).where(schema.events.c.subject.not_in(select(everyone))))
            self._empty_the_log()

    def rekey(self, applied: RekeyMap, *, now: dt.datetime) -> RekeyReceipt:
        """Replace every token of the map's old epoch."""
        with answering(self._path):
            with self._loading.begin() as connection:
                receipt = apply_map(connection, applied, now=now)
            self._empty_the_log()
        return receipt

    def rekeyed(self, map_id: str) -> RekeyReceipt | None:
        """The receipt of a map that was applied."""
        with answering(self._path), self._reading.connect() as connection:
            return receipt_for(connection, map_id)

    def check(self) -> None:
        """Return when the file answers, is a store of ours, and people can be read from it.

        The connection is a new one, which has nothing of the file in memory.
        """
        with contextlib.ExitStack() as stack, answering(self._path):
            engine = engine_of(self._path, synchronous="NORMAL", writes=False, patience=_PATIENCE)
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            recognise(connection, self._path)
            connection.execute(select(schema.subjects.c.subject).limit(1)).first()

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._reading, self._recording, self._loading):
            engine.dispose()

    def _empty_the_log(self) -> None:
        """What was deleted stands in the write-ahead log until it is emptied."""
        with contextlib.closing(self._loading.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _codes_for(self, connection: Connection, index: ItemIndex, highest: int) -> NDArray[np.int32]:
        """The code in `index` of each of the file's items; read anew only where there are items that we do not know."""
        of, codes = self._codes
        if of is not index:
            codes = np.empty(0, np.int32)
        if highest >= len(codes):
            item = schema.items.c
            query = select(item.name).where(item.code >= len(codes)).order_by(item.code)
            codes = np.concatenate([codes, index.encode(connection.execute(query).scalars())])
            self._codes = (index, codes)
        if highest >= len(codes):
            raise ValueError("a history holds an item without a name")
        return codes


@contextlib.contextmanager
def _closed_unless_kept(store: SqliteStore) -> Iterator[SqliteStore]:
    with contextlib.ExitStack() as stack:
        stack.callback(store.close)
        yield store
        stack.pop_all()


def _not_recorded(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """The first event of each `event_id` that was never recorded; from now on it was."""
    fresh: dict[str, Event] = {}
    for event in events:
        fresh.setdefault(event.event_id, event)
    event_id = schema.events.c.event_id
    for known in connection.execute(select(event_id).where(event_id.in_(list(fresh)))).scalars():
        del fresh[known]
    if fresh:
        recorded = [{"event_id": event.event_id, "subject": event.subject} for event in fresh.values()]
        connection.execute(insert(schema.events), recorded)
    return list(fresh.values())


def _numbered(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The codes of `names`; new names get the next ones."""
    wanted = sorted(set(names))
    item = schema.items.c
    codes: dict[str, int] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        codes |= dict(connection.execute(select(item.name, item.code).where(item.name.in_(part))).all())
    new = [name for name in wanted if name not in codes]
    if new:
        next_code = connection.execute(select(func.count()).select_from(schema.items)).scalar_one()
        added = {name: next_code + number for number, name in enumerate(new)}
        connection.execute(insert(schema.items), [{"name": name, "code": code} for name, code in added.items()])
        codes |= added
    return codes


def _extend(connection: Connection, more: dict[str, Rows]) -> None:
    person = schema.subjects.c
    query = select(person.subject, person.history).where(person.subject.in_(list(more)))
    have = dict(connection.execute(query).all())
    extended = [{"subject": subject, "history": add(have.get(subject, b""), rows)} for subject, rows in more.items()]
    connection.execute(_UPSERT_HISTORY, extended)
