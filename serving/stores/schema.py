"""The store's tables, in the terms that every database understands."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Integer, LargeBinary, MetaData, Table, Text

SCHEMA_VERSION: Final = 1

metadata: Final = MetaData()

meta: Final = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# Whose tokens are accepted. Written by a load; until then there is nothing to serve.
lineages: Final = Table(
    "lineages", metadata, Column("domain", Text, primary_key=True), Column("epoch", Text, primary_key=True)
)

# Codes are given once and never change: packed histories hold them, and readers remember what they mean.
items: Final = Table(
    "items",
    metadata,
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

# One row holds all that a decision reads. `consents` and `interests` are JSON arrays, `history` is packed
# (`serving.stores.packed`) and stands last, so that reading the rest need not read it.
subjects: Final = Table(
    "subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("consents", Text, nullable=False, default="[]"),
    Column("adult", Boolean),
    Column("interests", Text, nullable=False, default="[]"),
    Column("store", Text),
    Column("region", Text),
    Column("history", LargeBinary, nullable=False),
)

# What was recorded already. The subject stands here so that erasing a person reaches this table too.
events: Final = Table(
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("subject", Text, nullable=False, index=True),
    sqlite_with_rowid=False,
)
