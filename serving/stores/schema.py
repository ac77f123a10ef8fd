"""The store's tables, in the terms that every database understands. `migrations/` brings older ones to this form.

Instants are microseconds since 1970 UTC, days are days since 1970.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, MetaData, Table, Text

metadata: Final = MetaData()

_Number: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite's integers have 64 bits

meta: Final = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# What workers look at to learn that something changed; see `serving.stores.records.Changes`.
counters: Final = Table(
    "counters", metadata, Column("name", Text, primary_key=True), Column("value", _Number, nullable=False)
)

# Whose tokens are accepted. Written by a load; until then there is nothing to serve. `generation` names the rows of
# `subjects` that hold: a load writes new ones beside them, and changes this number when all of them are there.
lineages: Final = Table(
    "lineages",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("generation", _Number, nullable=False),
    Column("until", Integer),  # the last day that the load covers
    Column("loaded", _Number, nullable=False),
)

# Codes are given once and never change: packed histories hold them, and readers remember what they mean.
items: Final = Table(
    "items",
    metadata,
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

# What was loaded of a person, and every purchase. `consents` and `interests` are JSON arrays, `history` is packed
# (`serving.stores.packed`) and stands last, so that reading the rest need not read it.
subjects: Final = Table(
    "subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("generation", _Number, primary_key=True, autoincrement=False),
    Column("consents", Text, nullable=False, default="[]"),
    Column("adult", Boolean),
    Column("interests", Text, nullable=False, default="[]"),
    Column("store", Text),
    Column("region", Text),
    Column("history", LargeBinary, nullable=False),
)

# What came through the service: what the person said, and what the person was shown (`serving.stores.activity`).
activity: Final = Table(
    "activity",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("arm", Text),
    Column("said", LargeBinary),
    Column("shown", LargeBinary),
)

# What was reported. Of events that version 1 of this schema recorded, id and subject only.
events: Final = Table(
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("subject", Text, nullable=False, index=True),
    Column("type", Text),
    Column("at", _Number),
    Column("received", _Number, index=True),
    Column("item", Text),
    Column("offer_id", Text),
    Column("decision_id", Text),
    Column("channel", Text),
    Column("quantity", Float(53)),
    Column("value", Float(53)),
    Column("basket", Text),
    Column("reason", Text),
    Column("expires", _Number),
    Column("categories", Text),
    Column("remarks", Text),
)

# Salted hashes of erased tokens: nothing here or beside it says whose.
tombstones: Final = Table(
    "tombstones", metadata, Column("hash", LargeBinary, primary_key=True), Column("lineage", Text, nullable=False)
)
erasures: Final = Table(
    "erasures", metadata, Column("order_id", Text, primary_key=True), Column("receipt", Text, nullable=False)
)

# The audit log (`recsys.contracts.audit`). `audit_persons` is the only place that knows whose a payload is.
audit_chain: Final = Table(
    "audit_chain",
    metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
audit_payloads: Final = Table(
    "audit_payloads",
    metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("person", _Number, index=True),
    Column("decision_id", Text, index=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
audit_persons: Final = Table(
    "audit_persons",
    metadata,
    Column("person", _Number, primary_key=True, autoincrement=False),
    Column("subject", Text, nullable=False, index=True),
)
audit_checkpoints: Final = Table(
    "audit_checkpoints",
    metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", _Number, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created", _Number, nullable=False),
    Column("revoked", _Number),
)

# Answers that were given, and whom they are about.
answers: Final = Table(
    "answers",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("claimed", _Number, nullable=False, index=True),
    Column("status", Integer),
    Column("body", LargeBinary),
)
answer_subjects: Final = Table(
    "answer_subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True, index=True),
)
