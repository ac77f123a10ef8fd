"""People as wholes: what the tables of what was loaded and of what came through the service hold of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, bindparam, delete, func, select, update

from recsys.contracts.token import Token, lineage_of
from serving.stores import schema
from serving.stores.activity import Activity
from serving.stores.feedback import generations
from serving.stores.straight import AT_ONCE
from serving.stores.uniting import Held, Loaded
from serving.stores.writing import activities, upsert, write_activities

PEOPLE: Final = (schema.subjects, schema.activity, schema.events, schema.audit_persons)  # with a column `subject`
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])
_LOADED: Final = ("consents", "adult", "interests", "store", "region", "history")


def held_among(connection: Connection, tokens: Iterable[str]) -> set[str]:
    """Those of `tokens` of which anything is held."""
    found: set[str] = set()
    for part in in_parts(sorted(set(tokens)), AT_ONCE):
        for table in PEOPLE:
            found.update(connection.execute(select(table.c.subject).where(table.c.subject.in_(part))).scalars())
    return found


def read_people(connection: Connection, tokens: Sequence[str]) -> dict[str, Held]:
    """Each of `tokens`, whether or not anything is held of them."""
    person = schema.subjects.c
    holding = person.generation.in_(select(schema.lineages.c.generation))
    rows = connection.execute(select(schema.subjects).where(person.subject.in_(tokens), holding))
    loaded = {row.subject: _loaded(row) for row in rows}
    return {token: Held(loaded.get(token), one) for token, one in activities(connection, tokens).items()}


def write_people(connection: Connection, people: Mapping[str, Held]) -> None:
    """Put these in the place of what was held of them. A part that is empty is not written."""
    generation = generations(connection)
    rows = [
        {
            "subject": token,
            "generation": generation[lineage_of(Token(token))],
            "consents": _json(one.loaded.consents),
            "adult": one.loaded.adult,
            "interests": _json(one.loaded.interests),
            "store": one.loaded.store,
            "region": one.loaded.region,
            "history": one.loaded.history,
        }
        for token, one in people.items()
        if one.loaded is not None
    ]
    upsert(connection, schema.subjects, rows, only=_LOADED)
    write_activities(connection, {token: one.activity for token, one in people.items() if one.activity != Activity()})


def delete_people(connection: Connection, tokens: Sequence[str]) -> None:
    """Leave nothing of these in the two tables."""
    for table in (schema.subjects, schema.activity):
        connection.execute(delete(table).where(table.c.subject.in_(tokens)))


def rename(connection: Connection, table: Table, names: Mapping[str, str]) -> int:
    """Put the new token in the place of the old one in every row of a table; how many rows that were."""
    change: Any = update(table).where(table.c.subject == bindparam("old")).values(subject=bindparam("new"))
    theirs = select(table.c.subject, func.count()).group_by(table.c.subject)
    rows = 0
    for part in in_parts(sorted(names), AT_ONCE):
        counts: dict[str, int] = dict(connection.execute(theirs.where(table.c.subject.in_(part))).all())
        rows += sum(counts.values())
        if counts:
            connection.execute(change, [{"old": old, "new": names[old]} for old in counts])
    return rows


def in_parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Parts of at most `size`."""
    return (names[start : start + size] for start in range(0, len(names), size))


def _loaded(row: Any) -> Loaded:  # noqa: ANN401 - a row
    adult = None if row.adult is None else bool(row.adult)
    consents, interests = _TEXTS.decode(row.consents), _TEXTS.decode(row.interests)
    return Loaded(consents, adult, interests, row.store, row.region, bytes(row.history))


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()
