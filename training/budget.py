"""How long the search for settings may take, and where its trials are kept meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys.console import say
from recsys.contracts.manifest import TrainingData
from recsys.errors import UsageError

MOST: Final = 1_000  # trials in a time: the best of more would be luck, and a manifest holds them all
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many trials, or none begun after so many seconds; None: as the profile says, and no limit."""

    trials: int | None = None
    seconds: float | None = None


def parse_budget(text: str) -> Budget:
    """Read `--budget`: `12` trials, or `90s`, `5m`, `2h`.

    Raises:
        UsageError: It is neither.
    """
    read = re.fullmatch(r"(\d{1,6})([smh]?)", text)
    if read is None or int(read[1]) < 1:
        raise UsageError("is no budget", where="--budget", mend="Give trials, as 12, or a time, as 90s, 5m or 2h")
    number, unit = int(read[1]), read[2]
    # Only a number of trials gives the same bundle again; a time gives as many trials as the machine was free for.
    return Budget(seconds=number * _SECONDS[unit], trials=MOST) if unit else Budget(trials=number)


def journal_of(folder: Path, lineage: TrainingData, asked: tuple[object, ...]) -> Path:
    """Where the trials of a search are kept until it is done, by what is learned from and what was asked.

    Only so that two searches at a time do not clear away each other's: which of the trials in it hold, each line says.
    """
    days = (lineage.until, lineage.until_file)
    identity = repr((lineage.fingerprint, *days, lineage.guard_policy, *map(str, asked)))
    return folder / f".trials-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.jsonl"


@contextlib.contextmanager
def kept_until_done(journal: Path) -> Iterator[None]:
    """The trials of a search stay until what they are for is written; whoever interrupts it is told so."""
    try:
        yield
    except KeyboardInterrupt:
        if journal.is_file():
            say("The trials made so far are kept: the same command goes on from them.")
        raise
    journal.unlink(missing_ok=True)
