"""A whole run of the gate, Parquet to Parquet, against polars reading and writing: `python -m benchmarks.receipts`.

With field policy, key log and report, each as a process of its own with one thread; start-up counts. 10 M rows of
100,000 customers, then twice as many, since cost should grow in step; or as many rows as the arguments say.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.timing import spent

PART = 10_000_000  # rows
ROUNDS = 5

FIELDS = """
version = 1
[fields.card]
[fields.receipt]
[tables.receipts]
match = "receipts*"
feeds = "purchases"
[tables.receipts.columns]
card = { role = "subject", field = "card" }
receipt = { role = "identifier", action = "tokenise", field = "receipt", to = "basket" }
sold_at = { role = "quasi", generalise = "day", to = "day" }
item = { role = "feature", to = "item" }
quantity = { role = "feature", to = "quantity" }
value = { role = "feature", to = "value" }
"""
BARE = "import polars as pl; pl.read_parquet({!r}).write_parquet({!r})"
PEAK = """
import pathlib, runpy
try:
    runpy.run_module("pseudonymize", run_name="__main__")
finally:
    print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def main() -> None:
    """Print processor seconds of both, their ratio, and the run's peak of memory."""
    sizes = [int(word) for word in sys.argv[1:]] or [10_000_000, 20_000_000]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "fields.toml").write_text(FIELDS)
        spent("-m", "pseudonymize", "keys", "init", "--vault", base / "vault")
        for rows in sizes:
            measure(base, rows)


def measure(base: Path, rows: int) -> None:
    """Make the receipts, and run both on them in turn, once unmeasured; the medians count, also of the ratios."""
    source, out = base / "receipts.parquet", base / f"out-{rows}"
    write_receipts(rows, source)
    words = ["run", "--fields", base / "fields.toml", "--vault", base / "vault"]
    both = []
    for turn in range(ROUNDS + 1):
        ours, said = spent("-c", PEAK, *words, "--out", out / str(turn), source)
        other, _ = spent("-c", BARE.format(str(source), str(base / "bare.parquet")))
        shutil.rmtree(out)
        both.append((ours, other, ours / other, int(said.split()[-1]) / 1e6))
    ours, other, ratio, memory = map(statistics.median, zip(*both[1:], strict=True))
    print(  # noqa: T201 - a script's result
        f"{rows:>12,} receipt rows: {ours:6.1f} s; polars reading and writing them {other:6.1f} s; "
        f"{ratio:.2f} times as long ({', '.join(f'{turn[2]:.2f}' for turn in both[1:])}), {memory:.2f} GB",
        flush=True,
    )


def write_receipts(rows: int, path: Path) -> None:
    """Receipts of ten lines each, a part at a time: this process stays small however many there are."""
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        parts = [Path(folder) / f"{start:012}.parquet" for start in range(0, rows, PART)]
        for place, part in enumerate(parts):
            receipts(np.arange(place * PART, min((place + 1) * PART, rows)), rng).write_parquet(part)
        pl.scan_parquet(parts).sink_parquet(path)


def receipts(number: NDArray[np.int64], rng: np.random.Generator) -> pl.DataFrame:
    """The lines with these numbers."""
    rows = len(number)
    return pl.DataFrame(
        {
            "card": pl.Series(rng.integers(0, 100_000, rows) + 9 * 10**15).cast(pl.String),
            "receipt": pl.Series(number // 10).cast(pl.String),
            "sold_at": pl.Series(number % (365 * 86400) * 10**6 + 10**15).cast(pl.Datetime("us")),
            "item": pl.Series(rng.integers(0, 20_000, rows)).cast(pl.String),
            "quantity": pl.Series(rng.integers(1, 5, rows)).cast(pl.Float64),
            "value": pl.Series(rng.integers(1, 5000, rows) / 100),
        }
    )


if __name__ == "__main__":
    main()
