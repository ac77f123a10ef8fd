"""Bringing a database to this program's version of the tables.

Alembic does it, and is imported only then: it takes a tenth of what every command takes to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from serving.stores.interface import StoreError

HEAD: Final = "0002"  # of `migrations/versions`
_VERSION: Final = "alembic_version"  # Alembic's own table, of one row
_FIRST: Final = "0001"  # what databases of the first program are, which did not use Alembic


def migrate(connection: Connection, *, where: str) -> None:
    """Make the tables, or bring those of an older version to this one, within the connection's transaction.

    Raises:
        StoreError: The tables are of a newer program.
    """
    found = version_of(connection)
    if found == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

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
    tables, found = inspect(connection), None
    if tables.has_table(_VERSION):
        found = connection.execute(text(f"SELECT version_num FROM {_VERSION}")).scalar()  # noqa: S608 - a constant
    if found is None and tables.has_table("meta"):
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
