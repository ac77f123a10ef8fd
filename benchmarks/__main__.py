"""Run every benchmark: `make bench`. The status is 1 where one of them failed, or missed a bar."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

BENCHMARKS: Final = (
    "tokens",
    "receipts",
    "gateway",
    "decisions",
    "pooling",
    "population",
    "loading",
    "settling",
    "service",
    "scorer",
)  # five need `make demo`


def main() -> int:
    """Run them one after the other, whatever the others found; the exit status."""
    failed = [name for name in BENCHMARKS if ended(name)]
    sys.stdout.write("".join(f"FAILED  benchmarks.{name}\n" for name in failed))
    return 1 if failed else 0


def ended(name: str) -> int:
    """The status that a benchmark ends with, in a process of its own."""
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode  # noqa: S603 - our own


if __name__ == "__main__":
    sys.exit(main())
