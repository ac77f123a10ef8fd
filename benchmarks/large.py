"""A fit for large data, as a process: time and peak memory. `python -m benchmarks.large [--rows 10000000]`.

Made-up purchases: popular things are bought by most, everyone comes back to some of their own, two years long. What is
measured is `recsys-train fit --profile large` with all that it does, the search included. On two cores that others
used too: ten million lines 290 s of CPU and 2.4 GiB, a million 146 s and 1.7 GiB (docs/adr/0036-large-data.md).
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from recsys.contracts.purchases import PURCHASES

FIRST: Final = dt.date(2023, 1, 2)
DAYS: Final = 730
LINES: Final = 100  # of a subject, in the mean
KINDS: Final = 40  # that a subject chooses from


def main() -> None:
    """Print processor seconds, wall seconds and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--budget", help="of the search; the profile's own without it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        PURCHASES.write(purchases(given.rows, given.items), folder / "purchases.parquet")
        _run("keys", "init", "--signing-key", folder / "signing.key")
        budget = ("--budget", given.budget) if given.budget else ()
        files = ("--purchases", folder / "purchases.parquet", "--signing-key", folder / "signing.key")
        started = time.perf_counter()
        _run("fit", *files, "--models", folder / "models", "--name", "large", "--profile", "large", *budget)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # the peak is that of the largest child, the fit
    spent = used.ru_utime + used.ru_stime
    label = f"fit --profile large, {given.rows:,} lines, {given.items:,} items"
    sys.stdout.write(f"{label}: {spent:,.0f} s of CPU, {wall:,.0f} s, {used.ru_maxrss / 2**20:.2f} GiB at its peak\n")


def purchases(rows: int, items: int) -> pl.DataFrame:
    """So many lines of a hundredth as many subjects; an item's popularity falls as its rank rises."""
    rng = np.random.default_rng(0)
    people = max(rows // LINES, 2)
    popularity = np.cumsum(1 / np.arange(10, items + 10))
    kinds = np.searchsorted(popularity, rng.random((people, KINDS)) * popularity[-1])
    who = rng.integers(0, people, rows)
    which = np.minimum(rng.exponential(KINDS / 6, rows).astype(np.int64), KINDS - 1)  # a few of them most of the time
    days = (np.datetime64(FIRST, "D").astype(np.int64) + rng.integers(0, DAYS, rows)).astype(np.int32)
    return pl.DataFrame(
        {
            "subject": pl.Series([_token(number) for number in range(people)]).gather(who),
            "item": pl.Series([f"item {number}" for number in range(items)]).gather(kinds[who, which]),
            "day": pl.Series(days).cast(pl.Date),
            "quantity": np.ones(rows, np.float32),
        }
    )


def _token(number: int) -> str:
    """Of nobody."""
    return f"s1.made-up.01.{base64.b32encode(number.to_bytes(16, 'big')).decode().rstrip('=').lower()}"


def _run(*words: object) -> None:
    command = [sys.executable, "-m", "training", *map(str, words)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
