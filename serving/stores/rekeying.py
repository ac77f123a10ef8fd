"""Replacing the tokens of one epoch by those of the next, in the terms that every database understands.

The map stands in a temporary table while the transaction lasts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, exists, func, insert, select, update

from recsys.contracts.audit import AuditKind
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.recipient import SERVING
from recsys.contracts.rekey import MapHeader, RekeyMap, RekeyReceipt
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, TokenError
from serving.audit.records import Entry
from serving.stores import schema
from serving.stores.activity import Activity
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.feedback import dismiss
from serving.stores.saying import later
from serving.stores.writing import activities, count_up, remember, remembered, write_activities

_BATCH: Final = 10_000
_PEOPLE: Final = (schema.subjects, schema.activity, schema.events, schema.audit_persons)  # with a column `subject`
_MAP: Final = Table(
    "rekey_map",
    MetaData(),
    Column("old", Text, primary_key=True),
    Column("new", Text, nullable=False, unique=True),
    prefixes=["TEMPORARY"],
)


def receipt_for(connection: Connection, map_id: str) -> RekeyReceipt | None:
    """The receipt of a map that was applied to this store."""
    found = remembered(connection, _key(map_id))
    return None if found is None else decode_document(found.encode(), RekeyReceipt, where="the state")


def apply_map(
    database: Database, log: SqlAuditLog, connection: Connection, applied: RekeyMap, now: dt.datetime
) -> RekeyReceipt:
    """Replace every token of the map's old epoch, within the connection's transaction; see `Store.rekey`."""
    header = applied.header
    database.lock_all(connection)
    _check_lineage(connection, header)
    _MAP.create(connection)
    for part in applied.tokens.rename({"from": "old", "to": "new"}).iter_slices(_BATCH):
        connection.execute(insert(_MAP), part.to_dicts())
    _check_complete(connection, header)
    _forget_what_cannot_move(connection, header)
    _join_generations(connection, header)
    _put_together(connection)
    replaced = {table.name: _replace(connection, table, "subject") for table in _PEOPLE}
    replaced["baskets"] = _replace_baskets(connection, header)
    _MAP.drop(connection)
    receipt = RekeyReceipt.of(header, SERVING, replaced, at=now)
    remember(connection, _key(header.map_id), encode_document(receipt).decode())
    count_up(connection, "lineages")
    epochs = {"domain": header.domain, "from": header.from_epoch, "to": header.to_epoch, "replaced": replaced}
    log.write(connection, [Entry(AuditKind.REKEY, epochs)], now)
    return receipt


def _key(map_id: str) -> str:
    return f"rekey.{map_id}"


def _check_lineage(connection: Connection, header: MapHeader) -> None:
    lineage = schema.lineages.c
    held = frozenset(Lineage(*row) for row in connection.execute(select(lineage.domain, lineage.epoch)))
    if header.source not in held:
        known = ", ".join(str(lineage) for lineage in sorted(held)) or "none yet"
        raise TokenError(
            f"the map begins at tokens of {header.source}; the state accepts: {known}",
            where="the map",
            mend="Ask the custodian for the map that is meant for this state",
        )


def _check_complete(connection: Connection, header: MapHeader) -> None:
    lacking = 0
    for table in _PEOPLE:
        old = table.c.subject.startswith(header.source.prefix, autoescape=True)
        missing = select(func.count(table.c.subject.distinct())).where(old & table.c.subject.not_in(select(_MAP.c.old)))
        lacking = max(lacking, connection.execute(missing).scalar_one())
    if lacking:
        raise ContractError(
            f"lacks {lacking} tokens that stand in the state; nothing was changed",
            where="the map",
            mend="Ask the custodian for a map made from everybody in this state",
        )


def _forget_what_cannot_move(connection: Connection, header: MapHeader) -> None:
    """Answers hold tokens in their texts; a tombstone is good for as long as its epoch; a load begun has old tokens."""
    connection.execute(delete(schema.answer_subjects))
    connection.execute(delete(schema.answers))
    connection.execute(delete(schema.tombstones).where(schema.tombstones.c.lineage == str(header.source)))
    connection.execute(delete(schema.subjects).where(schema.subjects.c.generation.not_in(_holding())))
    remember(connection, "load", None)


def _join_generations(connection: Connection, header: MapHeader) -> None:
    """One lineage in the place of two. Of a person loaded under both epochs, what is new holds."""
    rows = {row.epoch: row for row in connection.execute(select(schema.lineages)) if row.domain == header.domain}
    old, new = rows[header.from_epoch], rows.get(header.to_epoch)
    person, other = schema.subjects.c, schema.subjects.alias()
    known_anew = select(_MAP.c.old).where(exists().where(other.c.subject == _MAP.c.new))
    connection.execute(delete(schema.subjects).where(person.subject.in_(known_anew)))
    if new is not None:
        moved = update(schema.subjects).where(person.generation == old.generation)
        connection.execute(moved.values(generation=new.generation))
    lineage = schema.lineages.c
    if new is not None:
        connection.execute(
            delete(schema.lineages).where(lineage.domain == header.domain, lineage.epoch == header.from_epoch)
        )
    else:
        renamed = update(schema.lineages).where(lineage.domain == header.domain, lineage.epoch == header.from_epoch)
        connection.execute(renamed.values(epoch=header.to_epoch))


def _put_together(connection: Connection) -> None:
    """Of a person with activities under both epochs, one under the new token remains."""
    mine, other = schema.activity.c, schema.activity.alias()
    doubled = select(_MAP.c.old, _MAP.c.new).where(
        exists().where(mine.subject == _MAP.c.old), exists().where(other.c.subject == _MAP.c.new)
    )
    pairs = dict(connection.execute(doubled).all())
    if not pairs:
        return
    found = activities(connection, [*pairs, *pairs.values()])
    for old, new in pairs.items():
        _merge(found[old], found[new])
    write_activities(connection, {new: found[new] for new in pairs.values()})
    connection.execute(delete(schema.activity).where(mine.subject.in_(select(doubled.subquery().c.old))))


def _merge(old: Activity, new: Activity) -> None:
    new.arm = old.arm or new.arm  # the arm that was assigned first is the one that was measured with
    new.said.consents |= later(new.said.consents, old.said.consents)
    if new.said.interests is None:
        new.said.interests = old.said.interests
    for said in old.said.dismissals.values():
        dismiss(new, said)
    for exposure in old.shown.exposures:
        new.show(exposure)
    for response in old.shown.responses:
        new.answer(response)
    new.shown.reservations = [*old.shown.reservations, *new.shown.reservations]


def _replace(connection: Connection, table: Table, column: str) -> int:
    """How many rows of `table` have a new token now."""
    token = table.c[column]
    new = select(_MAP.c.new).where(_MAP.c.old == token).scalar_subquery()
    change: Any = update(table).where(token.in_(select(_MAP.c.old))).values({column: new})
    return int(connection.execute(change).rowcount)


def _replace_baskets(connection: Connection, header: MapHeader) -> int:
    """As `_replace`. A receipt of the old epoch that the map does not name is forgotten: nothing needs it any more."""
    replaced = _replace(connection, schema.events, "basket")
    basket = schema.events.c.basket
    old = update(schema.events).where(basket.startswith(header.source.prefix, autoescape=True))
    connection.execute(old.values(basket=None))
    return replaced


def _holding() -> Any:  # noqa: ANN401 - a statement
    return select(schema.lineages.c.generation)
