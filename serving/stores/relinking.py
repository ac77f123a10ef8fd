"""Obeying a relink order, in the terms that every database understands; see `recsys.contracts.relink` for the law."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

import polars as pl
from sqlalchemy import Connection, delete, select

from recsys.contracts.audit import AuditKind
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.recipient import SERVING
from recsys.contracts.relink import RelinkOrder, RelinkReceipt
from recsys.contracts.token import Lineage
from serving.audit.records import Entry
from serving.stores import schema
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.people_rows import held_among
from serving.stores.relinked import Work, join, part
from serving.stores.writing import erased_among, remember, remembered

_LAST: Final = "relink.last"  # in `meta`: the number of the newest order


def receipt_for(connection: Connection, order_id: str) -> RelinkReceipt | None:
    """The receipt of an order that was obeyed here."""
    found = remembered(connection, _key(order_id))
    return None if found is None else decode_document(found.encode(), RelinkReceipt, where="the state")


def obey(
    database: Database, log: SqlAuditLog, connection: Connection, asked: tuple[RelinkOrder, bool], now: dt.datetime
) -> RelinkReceipt:
    """Part, then join, within the connection's transaction; see `Store.relink`."""
    order, skip = asked
    database.lock_all(connection)
    header = order.header
    earlier = receipt_for(connection, header.order_id)
    if earlier is not None:
        return earlier
    lineage = schema.lineages.c
    held = connection.execute(select(lineage.domain, lineage.epoch)).all()
    order.check_for(SERVING, frozenset(Lineage(*row) for row in held))
    header.check_follows(int(remembered(connection, _LAST) or 0), skip=skip, where="the order")
    kept, erased = _about_people_here(connection, order)
    _forget_load_under_way(connection)
    work = Work(database, log, connection, header.order_id, now)
    parted, removed = part(work, kept)
    joined = join(work, kept.joins)
    receipt = RelinkReceipt.of(header, (joined, parted, removed), erased=erased, at=now)
    remember(connection, _key(header.order_id), encode_document(receipt).decode())
    remember(connection, _LAST, str(header.number))
    counts = {"order_id": header.order_id, "joined": joined, "parted": parted, "removed": removed}
    log.write(connection, [Entry(AuditKind.RELINK, counts)], now)
    return receipt


def _key(order_id: str) -> str:
    return f"relink.{order_id}"


def _about_people_here(connection: Connection, order: RelinkOrder) -> tuple[RelinkOrder, int]:
    """What the order says of people who are held and were not erased; how many tokens of it were erased."""
    tokens = {token for frame in (order.joins, order.parts) for name in ("from", "to") for token in frame[name]}
    gone = sorted(erased_among(connection, tokens))
    dead = pl.col("from").is_in(gone) | pl.col("to").is_in(gone)
    held = sorted(held_among(connection, [*order.joins["from"], *order.parts["from"]]))
    here = pl.col("from").is_in(held)
    frames = {name: getattr(order, name).filter(here & ~dead) for name in ("joins", "baskets")}
    nobody = pl.when(pl.col("to").is_in(gone)).then("from").otherwise("to").alias("to")
    parts = order.parts.filter(here & ~pl.col("from").is_in(gone)).with_columns(nobody).unique()
    return dataclasses.replace(order, parts=parts, **frames), len(gone)


def _forget_load_under_way(connection: Connection) -> None:
    """A load that was begun may hold people apart who are one now; it begins anew."""
    holding = select(schema.lineages.c.generation)
    connection.execute(delete(schema.subjects).where(schema.subjects.c.generation.not_in(holding)))
    remember(connection, "load", None)
