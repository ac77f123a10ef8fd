"""Answers to requests that may be sent again; see `serving.stores.interface.Idempotency`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete

from serving.stores import schema
from serving.stores.database import PATIENCE, Database
from serving.stores.interface import Claim
from serving.stores.records import Replay
from serving.stores.straight import fetch, write_rows
from serving.stores.times import micros
from serving.stores.writing import erased_among

_KEPT: Final = dt.timedelta(hours=24)
_PATIENCE: Final = dt.timedelta(minutes=1)  # with a claim that was never finished: its worker has died
_BRIEFLY: Final = 0.2  # seconds that giving a claim back waits for others: it ends by itself
_OLD: Final = "SELECT key FROM answers WHERE claimed <= ? LIMIT 100"  # deleted along with a new claim
_HELD: Final = "SELECT fingerprint, claimed, status, body FROM answers WHERE key = ?"
_CLAIM: Final = "INSERT INTO answers (key, fingerprint, claimed) VALUES (?, ?, ?)"
_KEEP: Final = "UPDATE answers SET status = ?, body = ? WHERE key = ?"
_ABOUT: Final = "INSERT INTO answer_subjects (subject, key) VALUES (?, ?) ON CONFLICT (subject, key) DO NOTHING"


class SqlIdempotency:
    """In the tables `answers` and `answer_subjects`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: bytes, fingerprint: bytes, *, now: dt.datetime, patience: float = PATIENCE) -> Claim | Replay:
        """Claim a request."""
        return self._database.write(
            lambda connection: self._begin(connection, key, fingerprint, now), durable=False, patience=patience
        )

    def finish(self, key: bytes, answer: Replay, subjects: Sequence[str], *, now: dt.datetime) -> None:
        """Keep the answer, unless somebody whom it is about was erased meanwhile."""
        del now  # the claim's time counts

        def work(connection: Connection) -> None:
            named = list(dict.fromkeys(subjects))
            self._database.lock(connection, [*named, key.hex()])
            if erased_among(connection, named):
                _delete(connection, [key])
                return
            if fetch(connection, _HELD, [key]):
                write_rows(connection, _KEEP, [(answer.status, answer.body, key)])
                write_rows(connection, _ABOUT, [(subject, key) for subject in named])

        self._database.write(work, durable=False)

    def abandon(self, key: bytes) -> None:
        """Take the claim back."""
        self._database.write(lambda connection: _delete(connection, [key]), durable=False, patience=_BRIEFLY)

    def _begin(self, connection: Connection, key: bytes, fingerprint: bytes, now: dt.datetime) -> Claim | Replay:
        self._database.lock(connection, [key.hex()])
        _delete_old(connection, now)
        for known, claimed, status, body in fetch(connection, _HELD, [key]):
            if status is None and claimed <= micros(now - _PATIENCE):
                _delete(connection, [key])
                break
            if bytes(known) != fingerprint:
                return Claim.MISMATCH
            return Claim.IN_FLIGHT if status is None else Replay(status, bytes(body))
        write_rows(connection, _CLAIM, [(key, fingerprint, micros(now))])
        return Claim.NEW


def _delete_old(connection: Connection, now: dt.datetime) -> None:
    _delete(connection, [bytes(key) for (key,) in fetch(connection, _OLD, [micros(now - _KEPT)])])


def _delete(connection: Connection, keys: Sequence[bytes]) -> None:
    if keys:
        connection.execute(delete(schema.answer_subjects).where(schema.answer_subjects.c.key.in_(keys)))
        connection.execute(delete(schema.answers).where(schema.answers.c.key.in_(keys)))
