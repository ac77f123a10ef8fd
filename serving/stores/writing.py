"""What every writer of the store needs: insertion that replaces, activities, tombstones, counters, item codes."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from recsys.contracts.token import Lineage, Token, lineage_of
from serving.stores import schema
from serving.stores.activity import Activity, pack_said, pack_shown, unpack_said, unpack_shown
from serving.stores.database import Database
from serving.stores.interface import StoreError
from serving.stores.straight import AT_ONCE, fetch, fetch_among, write_rows

_UPSERTS: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_ACTIVITIES: Final = "SELECT subject, arm, said, shown FROM activity WHERE subject IN (??)"
_PUT_ACTIVITY: Final = """
INSERT INTO activity (subject, arm, said, shown) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE SET arm = excluded.arm, said = excluded.said, shown = excluded.shown
"""
_REMEMBERED: Final = "SELECT value FROM meta WHERE key = ?"
_LINEAGES: Final = "SELECT domain, epoch FROM lineages"
_SALT_IF_NEEDED: Final = "SELECT value FROM meta WHERE key = 'salt' AND EXISTS (SELECT 1 FROM tombstones)"
_TOMBSTONES: Final = "SELECT hash FROM tombstones WHERE hash IN (??)"


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, only: Iterable[str]) -> None:
    """Insert rows, or replace the columns `only` of those that are there."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, tuple(only)), list(rows))


def activities(connection: Connection, subjects: Iterable[str]) -> dict[str, Activity]:
    """The activity of each subject, an empty one for who has none."""
    wanted = list(dict.fromkeys(subjects))
    found = {subject: Activity() for subject in wanted}
    for subject, arm, said, shown in fetch_among(connection, _ACTIVITIES, wanted):
        found[subject] = Activity(arm, unpack_said(said), unpack_shown(shown))
    return found


def write_activities(connection: Connection, changed: Mapping[str, Activity]) -> None:
    """Replace the activities of these subjects."""
    rows = [(subject, one.arm, pack_said(one.said), pack_shown(one.shown)) for subject, one in changed.items()]
    write_rows(connection, _PUT_ACTIVITY, rows)


def tombstone(salt: bytes, subject: str) -> bytes:
    """What is left of an erased person's token: HMAC-SHA-256(salt, token)."""
    return hmac.digest(salt, subject.encode(), hashlib.sha256)


def salt_of(connection: Connection) -> bytes:
    """The salt of this store's tombstones."""
    return bytes.fromhex(
        connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "salt")).scalar_one()
    )


def check_epochs(connection: Connection, subjects: Iterable[str]) -> None:
    """Return when the tokens are of epochs that are accepted.

    Raises:
        StoreError: Somebody's is not: a rekeying came between the door's look at it and now.
    """
    accepted = {Lineage(domain, epoch) for domain, epoch in fetch(connection, _LINEAGES)}
    if {lineage_of(Token(subject)) for subject in subjects} - accepted:
        raise StoreError("the state was rekeyed meanwhile", mend="Ask again, with tokens of the new epoch")


def erased_among(connection: Connection, subjects: Iterable[str]) -> frozenset[str]:
    """Those of `subjects` who were erased."""
    salts = fetch(connection, _SALT_IF_NEEDED)
    if not salts:
        return frozenset()
    salt = bytes.fromhex(salts[0][0])
    named = {tombstone(salt, subject): subject for subject in set(subjects)}
    return frozenset(named[bytes(one)] for (one,) in fetch_among(connection, _TOMBSTONES, list(named)))


def count_up(connection: Connection, name: str) -> int:
    """Add one to a counter; its value then."""
    counter = schema.counters.c
    change = update(schema.counters).where(counter.name == name).values(value=counter.value + 1)
    return int(connection.execute(change.returning(counter.value)).scalar_one())


def item_codes(database: Database, connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The codes of `names`; new names get the next ones."""
    wanted = sorted(set(names))
    codes = _known_codes(connection, wanted)
    if len(codes) < len(wanted):
        database.lock_last(connection)
        codes |= _known_codes(connection, [name for name in wanted if name not in codes])
    new = [name for name in wanted if name not in codes]
    if new:
        next_code = connection.execute(select(func.count()).select_from(schema.items)).scalar_one()
        added = {name: next_code + number for number, name in enumerate(new)}
        connection.execute(insert(schema.items), [{"name": name, "code": code} for name, code in added.items()])
        codes |= added
    return codes


def remember(connection: Connection, key: str, value: str | None) -> None:
    """Keep a value in `meta`; None removes it."""
    if value is None:
        connection.execute(delete(schema.meta).where(schema.meta.c.key == key))
    else:
        upsert(connection, schema.meta, [{"key": key, "value": value}], only=("value",))


def remembered(connection: Connection, key: str) -> str | None:
    """A value from `meta`."""
    return next((value for (value,) in fetch(connection, _REMEMBERED, [key])), None)


def day_of(at: dt.datetime) -> dt.date:
    """The day of an instant, in UTC."""
    return at.astimezone(dt.UTC).date()


@functools.cache
def _upsert(dialect: str, table: Table, only: tuple[str, ...]) -> Any:  # noqa: ANN401 - a statement
    statement = _UPSERTS[dialect](table)
    kept = {name: statement.excluded[name] for name in only}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=kept)


def _known_codes(connection: Connection, wanted: Sequence[str]) -> dict[str, int]:
    item = schema.items.c
    codes: dict[str, int] = {}
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        codes |= dict(connection.execute(select(item.name, item.code).where(item.name.in_(part))).all())
    return codes
