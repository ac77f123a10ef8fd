"""Which calls that wait for the disk each kind of write makes before it is answered, seen by strace on both stores.

    make soak
    PYTHONPATH=tests:. python tests/soak/soak_synchronisations.py --work build/soak-synchronisations

SQLite runs within the process that writes: this one, which has itself watched. PostgreSQL flushes in the process of the
connection before it answers; what its others write later, in the background, is left out. This prints the table of
docs/state.md. The status is 1 where a write that has to wait for the disk was not seen to, or one that has not was, or
where the page says something else. `make test` does the same, once each, where strace may watch.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from support.strace import may_watch
from support.synchronised import faults, on_postgres, on_sqlite, table, table_of

TIMES: Final = 5
PAGE: Final = Path(__file__).parents[2] / "docs" / "state.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args(arguments).work
    if not may_watch():
        sys.exit("strace is not installed, or may not watch other processes (kernel.yama.ptrace_scope, CAP_SYS_PTRACE)")
    shutil.rmtree(work, ignore_errors=True)
    for name in ("sqlite", "postgresql"):
        (work / name).mkdir(parents=True)
    columns = (on_sqlite(work / "sqlite", times=TIMES), on_postgres(work / "postgresql", times=TIMES))
    found = [
        f"{name} waits for the disk, or does not, against what is meant" for one in columns for name in faults(one)
    ]
    made = table(columns)
    if table_of(PAGE) != made:
        found.append(f"{PAGE.name} has another table")
    sys.stdout.write("\n".join([*made, ""]))
    sys.stderr.write("".join(f"{one}\n" for one in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
