"""Answers to requests that may be sent again; see `serving.stores.interface.Idempotency`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap
from typing import Final, NamedTuple

from sqlalchemy import Connection

from serving.stores.database import PATIENCE, Database
from serving.stores.interface import Claim
from serving.stores.records import Replay
from serving.stores.straight import fetch, fetch_among, in_a_row, run, write_rows
from serving.stores.times import micros
from serving.stores.writing import erased_among

_KEPT: Final = dt.timedelta(hours=24)
_PATIENCE: Final = dt.timedelta(minutes=1)  # with a claim that was never finished: its worker has died
_BRIEFLY: Final = 0.2  # seconds that giving a claim back waits for others: it ends by itself
_OLD: Final = "SELECT key FROM answers WHERE claimed <= ? LIMIT 100"  # deleted along with a new claim
_HELD: Final = "SELECT key, fingerprint, claimed, status, body FROM answers WHERE key IN (??)"
_CLAIMED: Final = "SELECT key FROM answers WHERE key IN (??)"
_CLAIM: Final = "INSERT INTO answers (key, fingerprint, claimed) VALUES (?, ?, ?)"
_KEEP: Final = "UPDATE answers SET status = ?, body = ? WHERE key = ?"
_FORGET: Final = "DELETE FROM answers WHERE key IN (??)"
_FORGET_WHOM: Final = "DELETE FROM answer_subjects WHERE key IN (??)"
_ABOUT: Final = "INSERT INTO answer_subjects (subject, key) VALUES (?, ?) ON CONFLICT (subject, key) DO NOTHING"


class _Row(NamedTuple):
    key: bytes
    fingerprint: bytes
    claimed: int
    status: int | None = None
    body: bytes = b""


class SqlIdempotency:
    """In the tables `answers` and `answer_subjects`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: bytes, fingerprint: bytes, *, now: dt.datetime, patience: float = PATIENCE) -> Claim | Replay:
        """Claim a request."""
        return self.begin_all([(key, fingerprint)], now=now, patience=patience)[0]

    def begin_all(
        self, claims: Sequence[tuple[bytes, bytes]], *, now: dt.datetime, patience: float = PATIENCE
    ) -> tuple[Claim | Replay, ...]:
        """Claim several requests."""

        def work(connection: Connection) -> tuple[Claim | Replay, ...]:
            with in_a_row(connection):
                return self._begin(connection, claims, now)

        return self._database.write(work, durable=False, patience=patience)

    def finish(self, key: bytes, answer: Replay, subjects: Sequence[str], *, now: dt.datetime) -> None:
        """Keep the answer, unless somebody whom it is about was erased meanwhile."""
        del now  # the claim's time counts

        def work(connection: Connection) -> None:
            named = list(dict.fromkeys(subjects))
            self._database.lock(connection, [*named, key.hex()])
            if erased_among(connection, named):
                _delete(connection, [key])
                return
            keep(connection, {key: (answer, named)})

        self._database.write(work, durable=False)

    def abandon(self, key: bytes) -> None:
        """Take the claim back."""
        self._database.write(lambda connection: _delete(connection, [key]), durable=False, patience=_BRIEFLY)

    def _begin(
        self, connection: Connection, claims: Sequence[tuple[bytes, bytes]], now: dt.datetime
    ) -> tuple[Claim | Replay, ...]:
        keys = list(dict.fromkeys(key for key, _ in claims))
        self._database.lock(connection, [key.hex() for key in keys])
        _delete_old(connection, now)
        held = {row.key: row for row in starmap(_Row, fetch_among(connection, _HELD, keys))}
        given_up = [row.key for row in held.values() if row.status is None and row.claimed <= micros(now - _PATIENCE)]
        _delete(connection, given_up)
        for key in given_up:
            del held[key]
        met: list[Claim | Replay] = []
        new = []
        for key, fingerprint in claims:
            if key in held:
                met.append(_met(fingerprint, held[key]))
            else:
                met.append(Claim.NEW)
                held[key] = _Row(key, fingerprint, micros(now))
                new.append((key, fingerprint, micros(now)))
        write_rows(connection, _CLAIM, new)
        return tuple(met)


def keep(connection: Connection, answers: Mapping[bytes, tuple[Replay, Iterable[str]]]) -> None:
    """Keep answers, by their keys, each with those whom it is about. Of a claim that is gone, nothing is kept."""
    if answers:
        held = [bytes(key) for (key,) in fetch_among(connection, _CLAIMED, list(answers))]
        write_rows(connection, _KEEP, [(answers[key][0].status, answers[key][0].body, key) for key in held])
        write_rows(connection, _ABOUT, [(subject, key) for key in held for subject in answers[key][1]])


def _met(fingerprint: bytes, held: _Row) -> Claim | Replay:
    """What becomes of a request whose key is held."""
    if held.fingerprint != fingerprint:
        return Claim.MISMATCH
    return Claim.IN_FLIGHT if held.status is None else Replay(held.status, held.body)


def _delete_old(connection: Connection, now: dt.datetime) -> None:
    _delete(connection, [bytes(key) for (key,) in fetch(connection, _OLD, [micros(now - _KEPT)])])


def _delete(connection: Connection, keys: Sequence[bytes]) -> None:
    if keys:
        run(connection, _FORGET_WHOM, keys)
        run(connection, _FORGET, keys)
