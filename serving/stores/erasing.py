"""Erasing a person: every row, every payload, every answer; what stays is a salted hash and a receipt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import ErasureReceipt
from recsys.contracts.recipient import SERVING
from recsys.contracts.token import Token, lineage_of
from serving.stores import schema
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.writing import salt_of, tombstone, upsert

_PEOPLE: Final = (schema.subjects, schema.activity, schema.events)


def erase(
    database: Database,
    log: SqlAuditLog,
    connection: Connection,
    order: tuple[Sequence[str], str],
    now: dt.datetime,
) -> ErasureReceipt:
    """Erase within a transaction; see `Store.erase`."""
    subjects, order_id = order
    database.lock(connection, [*subjects, order_id])
    _bury(connection, subjects)
    deleted = {
        table.name: connection.execute(delete(table).where(table.c.subject.in_(subjects))).rowcount for table in _PEOPLE
    }
    deleted["answers"] = forget_answers(connection, subjects)
    earlier = receipt_of(connection, order_id)
    deleted["audit_payloads"] = log.forget(connection, subjects, order_id, now)
    if earlier is not None:
        return earlier
    receipt = ErasureReceipt(
        order_id=order_id,
        recipient=SERVING,
        completed_at=now,
        deleted={name: count for name, count in sorted(deleted.items()) if count},
    )
    connection.execute(insert(schema.erasures), {"order_id": order_id, "receipt": encode_document(receipt).decode()})
    return receipt


def receipt_of(connection: Connection, order_id: str) -> ErasureReceipt | None:
    """The receipt of an order that was carried out."""
    query = select(schema.erasures.c.receipt).where(schema.erasures.c.order_id == order_id)
    found = connection.execute(query).scalar()
    return None if found is None else decode_document(found.encode(), ErasureReceipt, where="the state")


def forget_answers(connection: Connection, subjects: Sequence[str]) -> int:
    """Delete the answers that were given about these people."""
    about = schema.answer_subjects.c
    keys = connection.execute(select(about.key).where(about.subject.in_(subjects))).scalars().all()
    connection.execute(delete(schema.answer_subjects).where(about.key.in_(keys)))
    return int(connection.execute(delete(schema.answers).where(schema.answers.c.key.in_(keys))).rowcount)


def _bury(connection: Connection, subjects: Sequence[str]) -> None:
    salt = salt_of(connection)
    stones = [{"hash": tombstone(salt, one), "lineage": str(lineage_of(Token(one)))} for one in dict.fromkeys(subjects)]
    upsert(connection, schema.tombstones, stones, only=("lineage",))
