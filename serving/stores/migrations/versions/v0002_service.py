"""The service: loads in generations, what people say and are shown, whole events, erasure, audit, keys, answers."""

from __future__ import annotations

import secrets
from typing import Any, Final

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, Text, text

revision: Final = "0002"
down_revision: Final = "0001"

_Number: Final = BigInteger().with_variant(Integer, "sqlite")
_SALT: Final = text("INSERT INTO meta (key, value) VALUES ('salt', :salt)")


def upgrade() -> None:
    """Keep all that is known; of events that were recorded before, id and subject."""
    op.execute("DELETE FROM meta WHERE key = 'schema_version'")
    op.execute(_SALT.bindparams(salt=secrets.token_hex(32)))
    _load_in_generations()
    _keep_whole_events()
    _serve_people()
    _write_it_down()
    _know_callers()


def _load_in_generations() -> None:
    op.create_table("counters", Column("name", Text, primary_key=True), Column("value", _Number, nullable=False))
    op.execute(
        "INSERT INTO counters (name, value) VALUES ('generation', 1), ('lineages', 1), ('people', 0)"
    )  # no longer counted
    op.execute("INSERT INTO counters (name, value) VALUES ('keys', 0), ('reloads', 0)")
    _replace(
        "lineages",
        Column("domain", Text, primary_key=True),
        Column("epoch", Text, primary_key=True),
        Column("generation", _Number, nullable=False),
        Column("until", Integer),
        Column("loaded", _Number, nullable=False),
        filled="SELECT domain, epoch, 1, NULL, 0 FROM lineages_before",
    )
    _replace(
        "subjects",
        Column("subject", Text, primary_key=True),
        Column("generation", _Number, primary_key=True, autoincrement=False),
        Column("consents", Text, nullable=False),
        Column("adult", Boolean),
        Column("interests", Text, nullable=False),
        Column("store", Text),
        Column("region", Text),
        Column("history", LargeBinary, nullable=False),
        filled="SELECT subject, 1, consents, adult, interests, store, region, history FROM subjects_before",
    )


def _keep_whole_events() -> None:
    for column in (
        *(Column("type", Text), Column("at", _Number), Column("received", _Number), Column("item", Text)),
        *(Column("offer_id", Text), Column("decision_id", Text), Column("channel", Text)),
        *(Column("quantity", Float(53)), Column("value", Float(53)), Column("basket", Text), Column("reason", Text)),
        *(Column("expires", _Number), Column("categories", Text), Column("remarks", Text)),
    ):
        op.add_column("events", column)
    op.create_index("ix_events_received", "events", ["received"])


def _serve_people() -> None:
    op.create_table(
        "activity",
        Column("subject", Text, primary_key=True),
        Column("arm", Text),
        Column("said", LargeBinary),
        Column("shown", LargeBinary),
    )
    op.create_table(
        "tombstones", Column("hash", LargeBinary, primary_key=True), Column("lineage", Text, nullable=False)
    )
    op.create_table("erasures", Column("order_id", Text, primary_key=True), Column("receipt", Text, nullable=False))


def _write_it_down() -> None:
    op.create_table(
        "audit_chain",
        Column("sequence", _Number, primary_key=True, autoincrement=False),
        Column("commitment", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False),
    )
    op.create_table(
        "audit_payloads",
        Column("sequence", _Number, primary_key=True, autoincrement=False),
        Column("person", _Number),
        Column("decision_id", Text),
        Column("nonce", LargeBinary, nullable=False),
        Column("payload", LargeBinary, nullable=False),
    )
    op.create_index("ix_audit_payloads_person", "audit_payloads", ["person"])
    op.create_index("ix_audit_payloads_decision_id", "audit_payloads", ["decision_id"])
    op.create_table(
        "audit_persons",
        Column("person", _Number, primary_key=True, autoincrement=False),
        Column("subject", Text, nullable=False),
    )
    op.create_index("ix_audit_persons_subject", "audit_persons", ["subject"])
    op.create_table(
        "audit_checkpoints",
        Column("sequence", _Number, primary_key=True, autoincrement=False),
        Column("hash", LargeBinary, nullable=False),
        Column("at", _Number, nullable=False),
    )


def _know_callers() -> None:
    op.create_table(
        "api_keys",
        Column("key_id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("scopes", Text, nullable=False),
        Column("created", _Number, nullable=False),
        Column("revoked", _Number),
    )
    op.create_table(
        "answers",
        Column("key", LargeBinary, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("claimed", _Number, nullable=False),
        Column("status", Integer),
        Column("body", LargeBinary),
    )
    op.create_index("ix_answers_claimed", "answers", ["claimed"])
    op.create_table(
        "answer_subjects",
        Column("subject", Text, primary_key=True),
        Column("key", LargeBinary, primary_key=True),
    )
    op.create_index("ix_answer_subjects_key", "answer_subjects", ["key"])


def _replace(name: str, *columns: Column[Any], filled: str) -> None:
    """Make a table anew: its primary key changes, which SQLite cannot do in place."""
    op.rename_table(name, f"{name}_before")
    op.create_table(name, *columns)
    op.execute(f"INSERT INTO {name} {filled}")
    op.drop_table(f"{name}_before")
