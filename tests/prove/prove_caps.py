"""`make prove`: 8 processes make 10,000 tries at a cap of 500, on both stores; exactly 500 are allowed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from support.chain import ROOT
from support.lines import ANNA
from support.postgres import Postgres
from support.told import filled

from recsys.history import ItemIndex
from serving.stores import create_store, open_store

CAP, WORKERS, TRIES = 500, 8, 10_000

# Forks when its imports are done, and before it has opened anything.
_WORKERS = """
import os, sys
from contextlib import closing
from support.told import per_offer, settle, settling
from serving.stores import open_store
url, workers, tries, cap = sys.argv[1], *map(int, sys.argv[2:])
readers = []
for worker in range(workers):
    reader, writer = os.pipe()
    readers.append(reader)
    if not os.fork():
        with closing(open_store(url)) as store:
            made = (settle(store, settling(f"{worker}.{n}", "o1", caps=(per_offer(cap),)))[0] for n in range(tries))
            os.write(writer, str(sum(one.written for one in made)).encode())
        os._exit(0)
    os.close(writer)
print(sum(int(os.read(reader, 20)) for reader in readers))
"""


def allowed(url: str, *, tries: int, cap: int) -> tuple[int, int]:
    """How many reservations the processes were granted, and how many stand in the store."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", _WORKERS, url, str(WORKERS), str(tries // WORKERS), str(cap)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    with closing(open_store(url)) as store:
        return int(done.stdout), len(store.read([ANNA], ItemIndex.of(["beer"])).states[0].reservations)


def main() -> int:
    """Prove it; the exit status."""
    server = Postgres()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{Path(folder) / 'state.db'}", server.database()):
            with closing(create_store(url)) as store:
                filled(store)
            began = time.monotonic()
            granted, held = allowed(url, tries=TRIES, cap=CAP)
            took = time.monotonic() - began
            kind = url.partition(":")[0]
            sys.stdout.write(f"{kind}: {TRIES:,} tries, {granted} allowed, {held} held, {took:.0f} s\n")
            wrong += (granted, held) != (CAP, CAP)
    server.stop()
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
