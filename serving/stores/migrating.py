"""Bringing a database to this program's version of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from serving.stores.interface import StoreError

HEAD: Final = "0002"  # of `migrations/versions`
_FIRST: Final = "0001"  # what databases of the first program are, which did not use Alembic


def migrate(connection: Connection, *, where: str) -> None:
    """Make the tables, or bring those of an older version to this one, within the connection's transaction.

    Raises:
        StoreError: The tables are of a newer program.
    """
    found = version_of(connection)
    if found == HEAD:
        return
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise wrong_version(where)
    if found == _FIRST:
        command.stamp(config, _FIRST)
    command.upgrade(config, HEAD)


def version_of(connection: Connection) -> str | None:
    """Which version the tables are of; None where there are none."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and "meta" in inspect(connection).get_table_names():
        first = connection.execute(text("SELECT 1 FROM meta WHERE key = 'schema_version' AND value = '1'")).scalar()
        return _FIRST if first else "unknown"
    return found


def wrong_version(where: str) -> StoreError:
    """What is said of tables that this program does not know."""
    return StoreError(
        f"the state is of another version than {HEAD}, which this program knows",
        where=where,
        mend="Use the program that wrote it, or load again into a new file",
    )
