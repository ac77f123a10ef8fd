"""The gate for partners on made releases: `python -m benchmarks.release_gate [--rows 5000000]`.

A process of its own: a release of which nothing may go as it is, so that it is measured whole, attacked, and the search
looks for what would pass. A subject has a hundred rows; what they buy comes from forty things of their own as often as
from what everybody buys. Printed are processor seconds over all threads, seconds, and the peak of memory.
"""

from __future__ import annotations

import argparse
import base64
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from pseudonymize.gate.release import seal
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.release import Release

ROWS_A_SUBJECT, ITEMS, DAYS, FAVOURITES = 100, 20_000, 365, 40
CHUNK = 1_000_000
PEAK = """
import pathlib, runpy
try:
    runpy.run_module("pseudonymize", run_name="__main__")
finally:
    print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def main() -> None:
    """Make a release and print what judging it takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        release, catalogue = Path(folder) / "release", Path(folder) / "catalogue.parquet"
        make(release, catalogue, rows)
        print(judged(rows, ["gate", "--release", "external", release, "--catalogue", catalogue]), flush=True)  # noqa: T201 - a script's result


def make(release: Path, catalogue: Path, rows: int) -> None:
    """A release of `rows` purchases, and the catalogue of what was bought."""
    release.mkdir()
    rng = np.random.default_rng(9)
    subjects = max(rows // ROWS_A_SUBJECT, 1)
    tokens = pl.Series([token() for _ in range(subjects)])
    weights = 1 / np.arange(1, ITEMS + 1) ** 0.9
    popular = rng.choice(ITEMS, 1 << 22, p=weights / weights.sum()).astype(np.uint32)
    own = popular[rng.integers(0, len(popular), (subjects, FAVOURITES))]
    writer: pq.ParquetWriter | None = None
    for begin in range(0, rows, CHUNK):
        count = min(CHUNK, rows - begin)
        who = rng.integers(0, subjects, count)
        item = np.where(
            rng.random(count) < 0.5,  # noqa: PLR2004 - as often the one as the other
            own[who, rng.integers(0, FAVOURITES, count)],
            popular[rng.integers(0, len(popular), count)],
        )
        day = pl.Series(rng.integers(17_167, 17_167 + DAYS, count).astype(np.int32)).cast(pl.Date)
        frame = pl.DataFrame({"subject": tokens.gather(who), "item": pl.Series(item).cast(pl.String), "day": day})
        arrow = frame.with_columns(quantity=1.0).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(release / "purchases.parquet", arrow.schema, compression="zstd")
        writer.write_table(arrow.cast(writer.schema))
    if writer is not None:
        writer.close()
    number = np.arange(ITEMS)
    paths = [f"department {n % 12} / category {n % 240} / type {n % 2_000}" for n in number.tolist()]
    names = pl.Series(number).cast(pl.String)
    CATALOGUE.write(pl.DataFrame({"item": names, "category": paths, "title": names}), catalogue)
    bare = Release(
        domain="rec", epoch="01", field_policy="", guard_policy=None, fingerprint="", files={}, rows={}, dropped={}
    )
    seal(release, bare)


def token() -> str:
    """Any token."""
    return f"s1.rec.01.{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=').lower()}"


def judged(rows: int, words: list[object]) -> str:
    """Run the command, which has to refuse."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", PEAK, *map(str, words)], capture_output=True, text=True, check=False, env=os.environ
    )
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    if done.returncode != 1 or "the gate refuses" not in done.stderr:
        sys.exit(done.stderr)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = int(done.stdout.split()[-1]) / 1e6
    best = done.stderr.rpartition("This would pass: ")[2].partition(";")[0]
    return (
        f"{rows:>12,} rows, {rows // ROWS_A_SUBJECT:>9,} subjects: {processor:6.1f} s of processor, {took:6.1f} s, "
        f"{memory:.2f} GB; would pass: {best}"
    )


if __name__ == "__main__":
    main()
