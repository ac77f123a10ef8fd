"""Room for the figures of several workers, taken when a worker starts.

The library keeps each worker's figures in files that it maps into memory, with holes where nothing was written yet.
Where the disk is full, filling a hole ends the process at once (SIGBUS). Here the files have no holes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from prometheus_client import multiprocess, values

_KINDS: Final = (
    "counter",
    "histogram",
    "gauge_livesum",
    "gauge_livemax",
    "gauge_livemin",
)  # of `serving.metrics`; a test knows of others
_BYTES: Final = 1 << 19  # of each; a figure takes about 150
_EMPTY: Final = 8  # bytes of a file without any


def share(folder: Path) -> bool:
    """Take room for this process's figures; without any it keeps them to itself, and serves all the same."""
    try:
        for kind in _KINDS:
            _fill(folder / f"{kind}_{os.getpid()}.db")
    except OSError:
        values.ValueClass = values.MutexValue
        return False
    return True


def settle_dead(folder: Path, pid: int) -> None:
    """What a process counted stays, in no more room than it takes; what it was doing is over."""
    multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call] # has no types
    for path in folder.glob(f"*_{pid}.db"):
        with path.open("r+b") as file:
            file.truncate(max(_EMPTY, int.from_bytes(file.read(4), sys.byteorder)))  # it begins with how much is used


def _fill(path: Path) -> None:
    beside = path if path.exists() else path.with_suffix(".new")  # whoever reads finds all of it, or nothing
    try:
        with beside.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _BYTES)
        beside.replace(path)
    finally:
        path.with_suffix(".new").unlink(missing_ok=True)
