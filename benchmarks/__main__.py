"""Run every benchmark: `make bench`."""

from __future__ import annotations

import runpy
from typing import Final

BENCHMARKS: Final = ("decisions", "population", "scorer")

if __name__ == "__main__":
    for name in BENCHMARKS:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
