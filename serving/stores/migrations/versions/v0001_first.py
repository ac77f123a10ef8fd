"""The first tables: histories and consents, and which events were recorded."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Boolean, Column, Integer, LargeBinary, Text

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    op.create_table("meta", Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
    op.create_table("lineages", Column("domain", Text, primary_key=True), Column("epoch", Text, primary_key=True))
    op.create_table(
        "items",
        Column("code", Integer, primary_key=True, autoincrement=False),
        Column("name", Text, nullable=False, unique=True),
    )
    op.create_table(
        "subjects",
        Column("subject", Text, primary_key=True),
        Column("consents", Text, nullable=False),
        Column("adult", Boolean),
        Column("interests", Text, nullable=False),
        Column("store", Text),
        Column("region", Text),
        Column("history", LargeBinary, nullable=False),
    )
    op.create_table("events", Column("event_id", Text, primary_key=True), Column("subject", Text, nullable=False))
    op.create_index("ix_events_subject", "events", ["subject"])
