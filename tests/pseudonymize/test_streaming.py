from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

FEW, MANY = 3_000_000, 6_500_000  # both past the point where batches and the readers' own buffers are full
# VmHWM and not ru_maxrss: that one outlives exec, and would be the peak of the process that runs the tests.
MEASURED = """
import pathlib, runpy
try:
    runpy.run_module("pseudonymize", run_name="__main__")
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0])
"""


def receipts(rows: int) -> pl.DataFrame:
    """The same 10,000 cards, 80,000 receipts and 2,000 items, however many rows."""
    number = np.arange(rows)
    return pl.DataFrame(
        {
            "loyalty_card": pl.Series(number % 10_000).cast(pl.String),
            "receipt": pl.Series(number % 80_000).cast(pl.String),
            "sold_at": pl.Series(number % 80_000 * 10**6 + 10**15).cast(pl.Datetime("us")),
            "item": pl.Series(number % 2_000).cast(pl.String),
            "quantity": number % 3 + 1,
            "value": number % 500 / 100,
            "store": pl.Series(number % 9).cast(pl.String),
        }
    )


def peak(inputs: Path, vault: Path, fields: Path, out: Path) -> int:
    words = ["run", "--fields", fields, "--vault", vault, "--out", out, inputs]
    done = subprocess.run(  # noqa: S603 - our own command, measured
        [sys.executable, "-c", MEASURED, *map(str, words)], capture_output=True, text=True, check=True, env=os.environ
    )
    return int(done.stdout)  # kB


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_memory_does_not_grow_with_rows(suffix: str, vault_folder: Path, fields_file: Path, tmp_path: Path) -> None:
    peaks, sizes = [], []
    for rows in (FEW, MANY):
        path = tmp_path / f"receipts-{rows}.{suffix}"
        frame = receipts(rows)
        frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
        sizes.append(frame.estimated_size() // 1024)
        peaks.append(peak(path, vault_folder, fields_file, tmp_path / f"out-{rows}"))
    grown, added = peaks[1] - peaks[0], sizes[1] - sizes[0]
    # What holds the rows grows by several times their size; allocators and read-ahead alone scatter by some 40 MB.
    assert grown < added, f"peaks {peaks} kB, {added} kB of rows added"
