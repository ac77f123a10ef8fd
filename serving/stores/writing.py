"""What every writer of the store needs: insertion that replaces, activities, tombstones, counters, item codes."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from recsys.contracts.token import Lineage, Token, lineage_of
from serving.stores import schema
from serving.stores.activity import Activity, pack_said, pack_shown, unpack_said, unpack_shown
from serving.stores.database import Database
from serving.stores.interface import StoreError

AT_ONCE: Final = 5_000  # values in one statement

_UPSERTS: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

# Statements of the most frequent writes are made once: making one takes as long as running it.
_ACTIVITIES: Final = select(schema.activity).where(schema.activity.c.subject.in_(bindparam("wanted", expanding=True)))
_LINEAGES: Final = select(schema.lineages.c.domain, schema.lineages.c.epoch)
_ANY_TOMBSTONE: Final = select(schema.tombstones.c.hash).limit(1)
_TOMBSTONES: Final = select(schema.tombstones.c.hash).where(
    schema.tombstones.c.hash.in_(bindparam("wanted", expanding=True))
)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, only: Iterable[str]) -> None:
    """Insert rows, or replace the columns `only` of those that are there."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, tuple(only)), list(rows))


def activities(connection: Connection, subjects: Iterable[str]) -> dict[str, Activity]:
    """The activity of each subject, an empty one for who has none."""
    wanted = list(dict.fromkeys(subjects))
    found = {subject: Activity() for subject in wanted}
    for row in connection.execute(_ACTIVITIES, {"wanted": wanted}):
        found[row.subject] = Activity(row.arm, unpack_said(row.said), unpack_shown(row.shown))
    return found


def write_activities(connection: Connection, changed: Mapping[str, Activity]) -> None:
    """Replace the activities of these subjects."""
    rows = [
        {"subject": subject, "arm": one.arm, "said": pack_said(one.said), "shown": pack_shown(one.shown)}
        for subject, one in changed.items()
    ]
    upsert(connection, schema.activity, rows, only=("arm", "said", "shown"))


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
    accepted = {Lineage(domain, epoch) for domain, epoch in connection.execute(_LINEAGES)}
    if {lineage_of(Token(subject)) for subject in subjects} - accepted:
        raise StoreError("the state was rekeyed meanwhile", mend="Ask again, with tokens of the new epoch")


def erased_among(connection: Connection, subjects: Iterable[str]) -> frozenset[str]:
    """Those of `subjects` who were erased."""
    if connection.execute(_ANY_TOMBSTONE).first() is None:
        return frozenset()
    salt = salt_of(connection)
    named = {tombstone(salt, subject): subject for subject in set(subjects)}
    hashes, found = list(named), set()
    for start in range(0, len(hashes), AT_ONCE):
        part = {"wanted": hashes[start : start + AT_ONCE]}
        found |= {named[bytes(one)] for one in connection.execute(_TOMBSTONES, part).scalars()}
    return frozenset(found)


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
    found: str | None = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == key)).scalar()
    return found


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
