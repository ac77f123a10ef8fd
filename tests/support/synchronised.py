"""What each kind of write waits for, as strace sees it: the calls that it makes before it is answered."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from serving.stores import Store, create_store
from support.lines import NOW
from support.postgres import Postgres
from support.strace import Call, calls_in, watched
from support.told import filled
from support.writes import DURABLE, LONG, WRITES

HEAD: Final = ("| write | SQLite | PostgreSQL |", "|---|---|---|")
Calls = dict[str, str]  # for each kind of write
Spans = list[tuple[float, float]]


def on_sqlite(work: Path, *, times: int) -> Calls:
    """SQLite runs within the process that writes: this one."""
    with contextlib.closing(filled(create_store(f"sqlite:///{work / 'state.db'}"))) as store:
        return observed(store, lambda: {os.getpid()}, work, times=times)


def on_postgres(work: Path, *, times: int) -> Calls:
    """PostgreSQL as it comes, with its `fsync` on. It flushes in the process of the connection before it answers."""
    server = Postgres()
    try:
        server.execute("ALTER SYSTEM RESET fsync")
        server.execute("SELECT pg_reload_conf()")
        url = server.database()
        name = url.partition("?")[0].rpartition("/")[2]
        query = f"SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - ours
        with contextlib.closing(filled(create_store(url))) as store:
            return observed(store, lambda: set(map(int, server.ask(query).split())), work, times=times)
    finally:
        server.stop()


def observed(store: Store, pids: Callable[[], set[int]], work: Path, *, times: int) -> Calls:
    """For each kind of write, the calls that one of them makes.

    Args:
        store: That is written into.
        pids: The processes that write.
        work: Where strace may write.
        times: How often each kind is done, after a first time that is not looked at.

    Raises:
        RuntimeError: Somebody wrote who was not watched.
    """
    _connect(store)
    writing, log = pids(), work / "strace.log"
    with watched(sorted(writing), log):
        spans = {write.name: list(_done(store, number, times)) for number, write in enumerate(WRITES)}
        if pids() != writing:
            raise RuntimeError("a connection was made that strace does not watch")
    calls = calls_in(log)
    return {name: _told([call for call in calls if _within(call, own)], times) for name, own in spans.items()}


def table(columns: Sequence[Mapping[str, str]]) -> list[str]:
    """The lines of the docs' table: SQLite, then PostgreSQL."""
    rows = (" | ".join([write.name, *(column[write.name] or "none" for column in columns)]) for write in WRITES)
    return [*HEAD, *(f"| {row} |" for row in rows)]


def table_of(page: Path) -> list[str]:
    """The table of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return list(itertools.takewhile(lambda line: line.startswith("|"), lines[lines.index(HEAD[0]) :]))


def faults(column: Mapping[str, str]) -> list[str]:
    """The kinds that have to wait for the disk and were not seen to, or were seen to and need not."""
    return [write.name for write in WRITES if bool(column[write.name]) != (write in DURABLE)]


def _connect(store: Store) -> None:
    """Open a connection of each kind, so that all who write are there to be watched."""
    store.keys.all()
    store.audit.verify()
    store.prune_events(NOW - 2 * LONG)


def _done(store: Store, number: int, times: int) -> Iterator[tuple[float, float]]:
    """When each write of a kind began and was answered."""
    write = WRITES[number]
    for one in range(times + 1):
        write.before(store, one)
        began = time.time()
        write.act(store, one)
        if one:
            yield began, time.time()


def _within(call: Call, spans: Spans) -> bool:
    return any(began <= call.at <= ended for began, ended in spans)


def _told(calls: Sequence[Call], times: int) -> str:
    counts = Counter(f"{call.name} of {_kind(call.path)}" for call in calls)
    return ", ".join(f"{count / times:g} {call}" for call, count in sorted(counts.items()))


def _kind(path: str) -> str:
    if "/pg_wal/" in path:
        return "the log"
    name = Path(path).name
    return {"state.db-wal": "the log", "state.db": "the file"}.get(name, "the folder" if "." not in name else name)
