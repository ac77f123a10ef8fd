"""Which calls that wait for the disk each kind of write makes before it is answered, seen by strace on both stores.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_synchronisations.py --work build/soak-synchronisations

SQLite runs within the process that writes: this one, which has itself watched. PostgreSQL flushes in the process of the
connection before it answers; what its others write later, in the background, is left out. This prints the table of
docs/state.md. The status is 1 where a write that has to wait for the disk was not seen to, or one that has not was, or
where the page says something else.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from support.lines import ANNA, NOW, event, record
from support.postgres import Postgres
from support.tokens import token
from support.told import filled, settle, settling, told, yes

from recsys.contracts.preferences import PreferencesChange
from serving.keys import new_key
from serving.stores import Replay, Store, create_store

CALLS: Final = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"
TIMES: Final = 5
PAGE: Final = Path(__file__).parents[2] / "docs" / "state.md"
HEAD: Final = ["| write | SQLite | PostgreSQL |", "|---|---|---|"]
Write = Callable[[Store, int], object]


def consent(store: Store, number: int) -> object:
    """A consent."""
    return store.change_preferences(ANNA, PreferencesChange(consents={f"channel:c{number}": yes()}), now=NOW)


def answer(store: Store, number: int) -> object:
    """An answer for an Idempotency-Key: claimed and kept."""
    key = number.to_bytes(32, "big")
    store.idempotency.begin(key, key, now=NOW)
    return store.idempotency.finish(key, Replay(200, b"{}"), [ANNA], now=NOW)


WRITES: Final[dict[str, tuple[bool, Write]]] = {
    "consent": (True, consent),
    "dismissal": (True, lambda store, n: store.record([told(f"no {n}", "dismissal")], now=NOW)),
    "erasure": (True, lambda store, n: store.erase([token(f"e{n}")], order_id=f"{n:032x}", now=NOW)),
    "API key": (True, lambda store, n: store.keys.add(new_key(f"k{n}", {"decide"}, now=NOW)[1])),
    "checkpoint": (True, lambda store, _: store.audit.checkpoint(now=NOW)),
    "exposure": (False, lambda store, n: store.record([told(f"shown {n}", "exposure")], now=NOW)),
    "click": (False, lambda store, n: store.record([told(f"click {n}", "click")], now=NOW)),
    "purchase": (False, lambda store, n: record(store, event(1000 + n, (ANNA, "beer", 1, 1)))),
    "decision with its audit record": (False, lambda store, n: settle(store, settling(f"d{n}"))),
    "reservation": (False, lambda store, n: settle(store, settling(f"r{n}", f"o{n}"))),
    "stored answer": (False, answer),
}


@contextlib.contextmanager
def watched(pids: Sequence[int], log: Path) -> Iterator[None]:
    """Have strace write down the calls of these processes while the block lasts."""
    strace = shutil.which("strace") or sys.exit("strace is not installed")
    whom = [word for pid in pids for word in ("-p", str(pid))]
    words = [strace, "-f", "-y", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log), *whom]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)  # noqa: S603 - strace, on our own processes
    time.sleep(0.5)  # until it is attached
    if process.poll() is not None:
        sys.exit("strace may not watch these processes (kernel.yama.ptrace_scope?)")
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def seen(store: Store, pids: Callable[[], Sequence[int]], work: Path) -> dict[str, str]:
    """For each kind of write, the calls that one of them makes before it is answered."""
    found: dict[str, str] = {}
    for number, (name, (_, write)) in enumerate(WRITES.items()):
        write(store, 100 * number)  # connections are made
        log = work / f"{number}.strace"
        with watched(pids(), log):
            for one in range(TIMES):
                write(store, 100 * number + one + 1)
        calls = Counter(re.findall(rf"({CALLS.replace(',', '|')})\(\d+<([^>]*)>", log.read_text()))
        told_of = Counter[str]()
        for (call, path), count in calls.items():
            told_of[f"{call} of {_kind(path)}"] += count
        found[name] = ", ".join(f"{count / TIMES:g} {call}" for call, count in sorted(told_of.items()))
    return found


def _kind(path: str) -> str:
    if "/pg_wal/" in path:
        return "the log"
    name = Path(path).name
    return {"state.db-wal": "the log", "state.db": "the file"}.get(name, "the folder" if "." not in name else name)


def on_sqlite(work: Path) -> dict[str, str]:
    """SQLite, in this process."""
    with contextlib.closing(filled(create_store(f"sqlite:///{work / 'state.db'}"))) as store:
        return seen(store, lambda: [os.getpid()], work)


def on_postgres(work: Path) -> dict[str, str]:
    """PostgreSQL as it comes, with its `fsync` on."""
    server = Postgres()
    try:
        server.execute("ALTER SYSTEM RESET fsync")
        server.execute("SELECT pg_reload_conf()")
        url = server.database()
        name = url.partition("?")[0].rpartition("/")[2]
        query = f"SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - ours
        with contextlib.closing(filled(create_store(url))) as store:
            return seen(store, lambda: [int(pid) for pid in server.ask(query).split()], work)
    finally:
        server.stop()


def main() -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    shutil.rmtree(work, ignore_errors=True)
    for name in ("sqlite", "postgres"):
        (work / name).mkdir(parents=True)
    columns = (on_sqlite(work / "sqlite"), on_postgres(work / "postgres"))
    table, wrong = list(HEAD), 0
    for name, (waits, _) in WRITES.items():
        calls = [column[name] for column in columns]
        table.append(f"| {name} | {' | '.join(call or 'none' for call in calls)} |")
        wrong += sum(bool(call) != waits for call in calls)
    sys.stdout.write("\n".join([*table, ""]))
    if table_of_the_page() != table:
        sys.stderr.write(f"{PAGE.name} has another table\n")
        wrong += 1
    return min(wrong, 1)


def table_of_the_page() -> list[str]:
    """The table of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index(HEAD[0])
    return list(itertools.takewhile(lambda line: line.startswith("|"), lines[begin:]))


if __name__ == "__main__":
    sys.exit(main())
