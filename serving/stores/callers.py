"""API keys; see `serving.stores.interface.ApiKeys`."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, insert, select, update

from recsys.contracts.audit import AuditKind
from serving.audit.records import Entry
from serving.stores import schema
from serving.stores.audit_log import SqlAuditLog
from serving.stores.database import Database
from serving.stores.records import ApiKey
from serving.stores.times import instant, micros
from serving.stores.writing import count_up


class SqlApiKeys:
    """In the table `api_keys`."""

    def __init__(self, database: Database, log: SqlAuditLog) -> None:
        self._database = database
        self._log = log

    def all(self) -> tuple[ApiKey, ...]:
        """Every key, oldest first."""
        ordered = select(schema.api_keys).order_by(schema.api_keys.c.created, schema.api_keys.c.key_id)
        rows = self._database.read(lambda connection: connection.execute(ordered).all())
        return tuple(
            ApiKey(
                key_id=row.key_id,
                name=row.name,
                digest=bytes(row.digest),
                scopes=frozenset(row.scopes.split(",")),
                created=instant(row.created),
                revoked=None if row.revoked is None else instant(row.revoked),
            )
            for row in rows
        )

    def add(self, key: ApiKey) -> None:
        """Keep a new key."""
        scopes = ",".join(sorted(key.scopes))
        row = {
            "key_id": key.key_id,
            "name": key.name,
            "digest": key.digest,
            "scopes": scopes,
            "created": micros(key.created),
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(schema.api_keys), row)
            self._note(connection, {"created": key.key_id, "scopes": scopes}, key.created)

        self._database.write(work, durable=True)

    def revoke(self, key_id: str, *, now: dt.datetime) -> bool:
        """End a key."""
        own = schema.api_keys.c

        def work(connection: Connection) -> bool:
            holding = update(schema.api_keys).where(own.key_id == key_id, own.revoked.is_(None))
            if not connection.execute(holding.values(revoked=micros(now))).rowcount:
                return False
            self._note(connection, {"revoked": key_id}, now)
            return True

        return self._database.write(work, durable=True)

    def _note(self, connection: Connection, what: dict[str, str], now: dt.datetime) -> None:
        count_up(connection, "keys")
        self._log.write(connection, [Entry(AuditKind.KEY, what)], now)
