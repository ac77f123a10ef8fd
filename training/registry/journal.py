"""Which version serves, and how that came about: `current`, and a journal beside it that only grows.

The journal is written before `current` is moved. Whoever is killed in between leaves a move that did not happen: what
serves is what `current` says, and the next move names it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from recsys.contracts.document import decode_document
from recsys.files import explained, write_text
from recsys.registry import CURRENT_FILE, current_version

JOURNAL_FILE: Final = "moves.jsonl"


class Action(StrEnum):
    """What moved `current`."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was asked of a version before it may serve, and what was found."""

    name: str
    passed: bool
    found: str


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of the journal."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^registry-move/1$")] = "registry-move/1"
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    action: Action
    version: str
    before: str | None  # the version that served until then
    forced: bool
    reason: str | None
    gates: tuple[Gate, ...]
    results: tuple[str, ...]  # SHA-256 of the result files that were looked at


def moves(folder: Path) -> tuple[Move, ...]:
    """The journal of `models/<name>`, oldest first.

    Raises:
        ContractError: A line is damaged.
    """
    path = folder / JOURNAL_FILE
    if not path.is_file():
        return ()
    lines = path.read_bytes().splitlines()
    return tuple(decode_document(line, Move, where=f"{path}, line {n}") for n, line in enumerate(lines, start=1))


def previous_version(folder: Path) -> str | None:
    """What served before the current version came to serve; None where the journal does not say."""
    current = current_version(folder)
    came = [move for move in moves(folder) if move.version == current and move.action is Action.PROMOTE]
    return came[-1].before if came else None


def record(folder: Path, move: Move) -> None:
    """Write the move down, then move `current`. The caller holds the folder's lock."""
    journal = folder / JOURNAL_FILE
    before = journal.read_text(encoding="utf-8") if journal.is_file() else ""
    write_text(journal, f"{before}{msgspec.json.encode(move, order='deterministic').decode()}\n")
    write_text(folder / CURRENT_FILE, f"{move.version}\n")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other moves and prunings of `models/<name>` waiting; the lock goes with its process."""
    with explained(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
