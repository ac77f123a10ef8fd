"""Room for the figures of several workers, taken once, before the first of them starts.

The library keeps each worker's figures in files that it maps into memory, with holes where nothing was written yet.
Where the disk is full, filling a hole ends the process at once (SIGBUS). Here the files have no holes, and belong to a
place in the crew rather than to a process: whoever takes another's place goes on counting in its files. So no worker is
ever without room, whatever became of the disk meanwhile, and what is counted up never falls.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

from prometheus_client import values

from recsys.errors import OutputError

_ENDING: Final = ("gauge_livesum", "gauge_livemax", "gauge_livemin")  # what only those say who live
_KINDS: Final = ("counter", "histogram", *_ENDING)  # of `serving.metrics`; a test knows of others
_BYTES: Final = 1 << 19  # of each; a figure takes about 150
_MARK: Final = 8  # bytes at the beginning: how much of the file is used


def make_room(folder: Path, workers: int) -> None:
    """Make the files of so many workers.

    Raises:
        OutputError: There is no room for them.
    """
    try:
        for number in range(workers):
            for kind in _KINDS:
                with _file(folder, kind, number).open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _BYTES)
    except OSError as error:
        raise OutputError(
            f"has no room for the figures of {workers} workers ({error.strerror})",
            where=str(folder.parent),
            mend=f"It takes {workers * len(_KINDS) * _BYTES >> 10:,} KiB: free some space, or set TMPDIR",
        ) from None


def keep_figures(number: int) -> None:
    """Let this process keep its figures in the files of its place; before there are any."""
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call] # has no types


def settle_dead(folder: Path, number: int) -> None:
    """What a process counted up stays; what it was doing is over. Nothing is written that was not there before."""
    for kind in _ENDING:
        with _file(folder, kind, number).open("r+b") as file, mmap.mmap(file.fileno(), _MARK) as beginning:
            beginning[:] = bytes(_MARK)


def _file(folder: Path, kind: str, number: int) -> Path:
    """As the library names it."""
    return folder / f"{kind}_{number}.db"
