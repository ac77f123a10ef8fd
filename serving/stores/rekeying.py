"""Replacing the tokens of one epoch by those of the next, in the terms that every database understands.

The map stands in a temporary table while the transaction lasts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, exists, func, insert, select, update

from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.recipient import SERVING
from recsys.contracts.rekey import MapHeader, RekeyMap, RekeyReceipt
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, TokenError
from serving.stores import schema

_BATCH: Final = 10_000
_PEOPLE: Final = (schema.subjects, schema.events)  # the tables with a column `subject`
_MAP: Final = Table(
    "rekey_map",
    MetaData(),
    Column("old", Text, primary_key=True),
    Column("new", Text, nullable=False, unique=True),
    prefixes=["TEMPORARY"],
)


def receipt_for(connection: Connection, map_id: str) -> RekeyReceipt | None:
    """The receipt of a map that was applied to this store."""
    query = select(schema.meta.c.value).where(schema.meta.c.key == _key(map_id))
    found = connection.execute(query).scalar()
    return None if found is None else decode_document(found.encode(), RekeyReceipt, where="the state")


def apply_map(connection: Connection, applied: RekeyMap, *, now: dt.datetime) -> RekeyReceipt:
    """Replace every token of the map's old epoch, within the connection's transaction.

    Of a person who stands there under both epochs, what was loaded under the new one holds; the events stay known.

    Raises:
        TokenError: The map is of another domain, or from an epoch that the store does not accept.
        ContractError: The map lacks a token.
    """
    header = applied.header
    _check_lineage(connection, header)
    _MAP.create(connection)
    for part in applied.tokens.rename({"from": "old", "to": "new"}).iter_slices(_BATCH):
        connection.execute(insert(_MAP), part.to_dicts())
    _check_complete(connection, header)
    _drop_doubles(connection)
    replaced = {table.name: _replace(connection, table) for table in _PEOPLE}
    _MAP.drop(connection)
    _accept(connection, header)
    receipt = RekeyReceipt(
        map_id=header.map_id,
        recipient=SERVING,
        domain=header.domain,
        from_epoch=header.from_epoch,
        to_epoch=header.to_epoch,
        applied_at=now,
        replaced=replaced,
        unmapped=dict.fromkeys(replaced, 0),
        destroyed=False,
    )
    document = {"key": _key(header.map_id), "value": encode_document(receipt).decode()}
    connection.execute(insert(schema.meta), document)
    return receipt


def _key(map_id: str) -> str:
    return f"rekey.{map_id}"


def _check_lineage(connection: Connection, header: MapHeader) -> None:
    held = frozenset(Lineage(*row) for row in connection.execute(select(schema.lineages)))
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


def _drop_doubles(connection: Connection) -> None:
    other = schema.subjects.alias()
    known_anew = select(_MAP.c.old).where(exists().where(other.c.subject == _MAP.c.new))
    connection.execute(delete(schema.subjects).where(schema.subjects.c.subject.in_(known_anew)))


def _replace(connection: Connection, table: Table) -> int:
    """How many rows of `table` have a new token now."""
    new = select(_MAP.c.new).where(_MAP.c.old == table.c.subject).scalar_subquery()
    change: Any = update(table).where(table.c.subject.in_(select(_MAP.c.old))).values(subject=new)
    return int(connection.execute(change).rowcount)


def _accept(connection: Connection, header: MapHeader) -> None:
    """The new epoch in the place of the old one."""
    lineage = schema.lineages.c
    ours = (lineage.domain == header.domain) & lineage.epoch.in_([header.from_epoch, header.to_epoch])
    connection.execute(delete(schema.lineages).where(ours))
    connection.execute(insert(schema.lineages), {"domain": header.domain, "epoch": header.to_epoch})
