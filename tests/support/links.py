"""Links in a few words: identifiers by name, a plain reference for who is one person, and relink orders as files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pseudonymize.links.joining import Arriving
from pseudonymize.links.table import ID, NODES, OTHER, PAIRS, Links, ordered
from recsys.contracts.relink import RELINK_ORDER, RelinkHeader, order_metadata

FIELDS = ("card", "email", "phone")
RANKS = {"card": 0, "email": 1}
ISSUED = dt.datetime(2024, 6, 1, 12, tzinfo=dt.UTC)
TODAY = ISSUED.date()
Name = tuple[str, int]  # field and number
Pair = tuple[Name, Name]


def entry(name: Name) -> tuple[int, int]:
    """What an identifier is called in the links of these tests."""
    return FIELDS.index(name[0]) + 1, name[1]


def name_of(high: int, low: int) -> Name:
    """The identifier of an entry."""
    return FIELDS[high - 1], low


def nodes(names: Iterable[Name], day: dt.date = TODAY) -> pl.DataFrame:
    """Identifiers, each a person of its own."""
    rows = [(*entry(name), *entry(name), name[0], "text/1", "01", day) for name in names]
    return pl.DataFrame(rows, schema=NODES, orient="row")


def edges(pairs: Iterable[Pair]) -> pl.DataFrame:
    """Pairs as edges, each once."""
    rows = [(*entry(one), *entry(other)) for one, other in pairs]
    return ordered(pl.DataFrame(rows, schema=PAIRS, orient="row")).unique(maintain_order=True)


def arriving(pairs: Sequence[Pair], *, alone: Iterable[Name] = (), day: dt.date = TODAY) -> Arriving:
    """What files hold in which these stand in one row."""
    names = dict.fromkeys([*alone, *(name for pair in pairs for name in pair)])
    return Arriving(nodes(names, day), edges(pairs), nodes(()).select(ID))


def people(links: Links) -> set[frozenset[Name]]:
    """Who is one person."""
    groups = links.nodes.group_by(OTHER).agg(pl.struct(ID).alias("members"))["members"]
    return {frozenset(name_of(one["high"], one["low"]) for one in members) for members in groups}


def person_of(links: Links, name: Name) -> Name:
    """The identifier that a person's token is made of."""
    high, low = entry(name)
    return name_of(*links.nodes.filter(high=high, low=low).select(OTHER).row(0))


def plainly_joined(names: Iterable[Name], pairs: Iterable[Pair]) -> set[frozenset[Name]]:
    """The reference: union by relabelling, one pair after the other."""
    group = {name: frozenset([name]) for name in names}
    for one, other in pairs:
        whole = group[one] | group[other]
        for name in whole:
            group[name] = whole
    return set(group.values())


def relink_order(
    path: Path,
    joins: Iterable[tuple[str, str]] = (),
    parts: Iterable[tuple[str, str, str | None]] = (),
    **said: Any,  # noqa: ANN401 - of the header
) -> Path:
    """An order as a file; its number gives its id."""
    rows = [("join", *pair, None) for pair in joins] + [("part", *row) for row in parts]
    schema = {"act": pl.String, "from": pl.String, "to": pl.String, "basket": pl.String}
    named = {"number": 1, "parted": 0, "recipient": "training", "domain": "rec", "epochs": ("01",)} | said
    header = RelinkHeader(order_id=f"{named['number']:032x}", issued_at=ISSUED, **named)
    RELINK_ORDER.write(pl.DataFrame(rows, schema=schema, orient="row"), path, metadata=order_metadata(header))
    return path
