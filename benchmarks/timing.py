"""Two ways of doing the same timed in turn, so that a drifting machine drifts for both; processor time, no clock."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_ONE_THREAD: Final = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median seconds of the way that is shipped, of the way it is held against, and how often the first is faster."""

    label: str
    ours: float
    other: float

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.other / self.ours

    def __str__(self) -> str:
        return f"{self.label:<64} {self.ours * 1e3:10.2f} ms {self.other * 1e3:10.2f} ms {self.ratio:8.1f} x"


def compare(label: str, ours: Callable[[], object], other: Callable[[], object], *, rounds: int = 7) -> Comparison:
    """Run both once unmeasured, then `rounds` times in turn."""
    ours()
    other()
    pairs = [(seconds(ours), seconds(other)) for _ in range(rounds)]
    return Comparison(label, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs))


def seconds(call: Callable[[], object]) -> float:
    """What one call takes of the processor, all threads together."""
    start = time.process_time()
    call()
    return time.process_time() - start


def spent(*words: object, stdin: str = "") -> tuple[float, str]:
    """The processor seconds of a Python process with one thread, and what it wrote to its standard output.

    Modules are compiled once, as they are where a package was installed: also where the caller asked for none to be.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command, environment = [sys.executable, *map(str, words)], {**os.environ, **_ONE_THREAD}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=stdin, env=environment)  # noqa: S603 - our own commands
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout
