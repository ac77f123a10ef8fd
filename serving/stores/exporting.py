"""Everything about everybody, in parts, ordered by token or event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, select, true

from recsys.contracts.event import EVENTS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.state import SubjectState
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import TableContract
from serving.stores import schema
from serving.stores.database import Database
from serving.stores.events import texts_of
from serving.stores.packed import unpack
from serving.stores.people import state_of

_PEOPLE: Final = 5_000
_EVENTS: Final = 50_000


class SqlExports:
    """See `serving.stores.interface.Exports`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def subjects(self) -> Iterator[pl.DataFrame]:
        """Consents as they hold now."""
        for part in self.states():
            rows = [
                {
                    "subject": one.subject,
                    "consents": sorted(one.state.consents),
                    "adult": one.state.adult,
                    "interests": list(one.state.interests),
                    "store": one.state.store,
                    "region": one.state.region,
                }
                for one in part
            ]
            yield _table(SUBJECTS, rows)

    def states(self) -> Iterator[list[SubjectState]]:
        """Everybody's state."""
        for rows in self._people():
            yield [SubjectState(subject=row[0], state=state_of(row)) for row in rows]

    def purchases(self) -> Iterator[pl.DataFrame]:
        """Everybody's history."""
        names: list[str] = []
        for people in self._people():
            rows, owners = unpack([row[6] or b"" for row in people])
            if not len(rows):
                continue
            if rows["item"].max() >= len(names):
                names = self._database.read(_item_names, patient=True)
            frame = pl.DataFrame(
                {
                    "subject": pl.Series([row[0] for row in people]).gather(owners),
                    "item": pl.Series(names).gather(rows["item"].astype("int64")),
                    "day": pl.Series(rows["day"]).cast(pl.Date),
                    "quantity": pl.Series(rows["quantity"]).cast(pl.Float64),
                }
            )
            yield PURCHASES.checked(frame, where="the state")

    def events(self) -> Iterator[pl.DataFrame]:
        """Every event, ordered by its id."""
        event, last = schema.events.c, ""
        whole = select(schema.events).where(event.type.is_not(None)).order_by(event.event_id).limit(_EVENTS)
        while True:
            part = whole.where(event.event_id > last)
            rows = self._all(part)
            if not rows:
                return
            yield _table(EVENTS, [_event(row) for row in rows])
            last = rows[-1]["event_id"]

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        return self._database.read(lambda connection: connection.execute(query).mappings().all(), patient=True)

    def _next(self, after: str) -> list[str]:
        return self._database.read(lambda connection: _next_subjects(connection, after), patient=True)

    def _people(self) -> Iterator[Sequence[Any]]:
        """Rows as of `Database.rows`, of everybody."""
        last = ""
        while True:
            subjects = self._next(last)
            if not subjects:
                return
            yield sorted(self._database.rows(subjects), key=lambda row: str(row[0]))
            last = subjects[-1]


def _next_subjects(connection: Connection, after: str) -> list[str]:
    """The next tokens of those who were loaded or came through the service."""
    found: set[str] = set()
    lineages = schema.lineages.c
    holding = schema.subjects.c.generation.in_(select(lineages.generation))
    for table, condition in ((schema.subjects, holding), (schema.activity, true())):
        query = select(table.c.subject).where(table.c.subject > after, condition).order_by(table.c.subject)
        found.update(connection.execute(query.limit(_PEOPLE)).scalars())
    return sorted(found)[:_PEOPLE]


def _item_names(connection: Connection) -> list[str]:
    return list(connection.execute(select(schema.items.c.name).order_by(schema.items.c.code)).scalars())


def _event(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of `events`
    return {**row, "categories": texts_of(row["categories"]), "remarks": texts_of(row["remarks"])}


def _table(contract: TableContract, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows in the types of a contract; instants come as numbers."""
    stored = {
        column.name: pl.Int64() if isinstance(column.dtype, pl.Datetime) else column.dtype
        for column in contract.columns
    }
    types = {column.name: column.dtype for column in contract.columns}
    return contract.checked(pl.DataFrame(rows, schema=stored, orient="row").cast(pl.Schema(types)), where="the state")
