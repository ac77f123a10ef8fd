"""A backup that was restored brings back whoever was erased since: who that is, and erasing them again."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

from sqlalchemy import Connection, select, union

from recsys.contracts.erasure import ErasedToken, ErasedTokens, ErasureReceipt
from recsys.errors import ContractError
from serving.stores import schema
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.erasing import erase
from serving.stores.writing import salt_of, tombstone, upsert

_NAMED_IN: Final = (schema.subjects, schema.activity, schema.events, schema.answer_subjects, schema.audit_persons)


def tombstones_of(connection: Connection) -> ErasedTokens:
    """Who was erased, as salted hashes."""
    table = schema.tombstones.c
    rows = connection.execute(select(table.hash, table.lineage).order_by(table.hash))
    erased = tuple(ErasedToken(hash=bytes(row.hash).hex(), lineage=row.lineage) for row in rows)
    return ErasedTokens(state=_name_of(connection), erased=erased)


def erase_again(
    database: Database, log: SqlAuditLog, connection: Connection, again: tuple[ErasedTokens, str], now: dt.datetime
) -> ErasureReceipt:
    """Erase within a transaction whoever has a tombstone; see `Store.erase_again`."""
    tombstones, order_id = again
    if tombstones.state != _name_of(connection):
        raise ContractError(
            "tells who was erased from another state",
            where="the tombstones",
            mend="Export them from the state that this is a backup of",
        )
    salt, dead = salt_of(connection), {one.hash for one in tombstones.erased}
    everybody = union(*(select(table.c.subject) for table in _NAMED_IN))
    back = [one for one in connection.execute(everybody).scalars() if tombstone(salt, one).hex() in dead]
    stones = [{"hash": bytes.fromhex(one.hash), "lineage": one.lineage} for one in tombstones.erased]
    upsert(connection, schema.tombstones, stones, only=("lineage",))
    return erase(database, log, connection, (back, order_id), now)


def _name_of(connection: Connection) -> str:
    return hashlib.sha256(salt_of(connection)).hexdigest()
