"""Answers to requests that may be sent again; see `serving.stores.interface.Idempotency`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from serving.stores import schema
from serving.stores.database import Database
from serving.stores.interface import Claim
from serving.stores.records import Replay
from serving.stores.times import micros
from serving.stores.writing import erased_among, upsert

_KEPT: Final = dt.timedelta(hours=24)
_PATIENCE: Final = dt.timedelta(minutes=1)  # with a claim that was never finished: its worker has died
_AT_ONCE: Final = 100  # old answers that are deleted along with a new claim


class SqlIdempotency:
    """In the tables `answers` and `answer_subjects`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: bytes, fingerprint: bytes, *, now: dt.datetime) -> Claim | Replay:
        """Claim a request."""
        return self._database.write(lambda connection: self._begin(connection, key, fingerprint, now), durable=False)

    def finish(self, key: bytes, answer: Replay, subjects: Sequence[str], *, now: dt.datetime) -> None:
        """Keep the answer, unless somebody whom it is about was erased meanwhile."""
        del now  # the claim's time counts

        def work(connection: Connection) -> None:
            named = list(dict.fromkeys(subjects))
            self._database.lock(connection, [*named, key.hex()])
            if erased_among(connection, named):
                _delete(connection, [key])
                return
            kept = update(schema.answers).where(schema.answers.c.key == key)
            found = connection.execute(kept.values(status=answer.status, body=answer.body)).rowcount
            if found and named:
                about = [{"subject": subject, "key": key} for subject in named]
                upsert(connection, schema.answer_subjects, about, only=("key",))

        self._database.write(work, durable=False)

    def abandon(self, key: bytes) -> None:
        """Take the claim back."""
        self._database.write(lambda connection: _delete(connection, [key]), durable=False)

    def _begin(self, connection: Connection, key: bytes, fingerprint: bytes, now: dt.datetime) -> Claim | Replay:
        self._database.lock(connection, [key.hex()])
        _delete_old(connection, now)
        answer = schema.answers.c
        held = connection.execute(select(schema.answers).where(answer.key == key)).first()
        if held is not None and held.status is None and held.claimed <= micros(now - _PATIENCE):
            _delete(connection, [key])
            held = None
        if held is None:
            claim = {"key": key, "fingerprint": fingerprint, "claimed": micros(now)}
            connection.execute(insert(schema.answers), claim)
            return Claim.NEW
        if bytes(held.fingerprint) != fingerprint:
            return Claim.MISMATCH
        return Claim.IN_FLIGHT if held.status is None else Replay(held.status, bytes(held.body))


def _delete_old(connection: Connection, now: dt.datetime) -> None:
    answer = schema.answers.c
    query = select(answer.key).where(answer.claimed <= micros(now - _KEPT)).limit(_AT_ONCE)
    _delete(connection, connection.execute(query).scalars().all())


def _delete(connection: Connection, keys: Sequence[bytes]) -> None:
    if keys:
        connection.execute(delete(schema.answer_subjects).where(schema.answer_subjects.c.key.in_(keys)))
        connection.execute(delete(schema.answers).where(schema.answers.c.key.in_(keys)))
