"""Run every benchmark: `make bench`."""

from __future__ import annotations

import runpy
from typing import Final

BENCHMARKS: Final = (
    "tokens",
    "receipts",
    "gateway",
    "decisions",
    "population",
    "loading",
    "settling",
    "service",
    "scorer",
)  # five need `make demo`

if __name__ == "__main__":
    for name in BENCHMARKS:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
