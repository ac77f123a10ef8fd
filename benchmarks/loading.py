"""`recsys-serve load` into SQLite: `python -m benchmarks.loading [--work build/demo]`.

Needs the files that `make demo` leaves; they are in memory when it starts. Checking against catalogue and policy,
netting, packing and writing are all in the figure. Held against the obvious way: a row a line of a receipt, and an
index by person.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.population import POLICY, shop_in
from benchmarks.timing import compare
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.subjects import SUBJECTS
from recsys.errors import RecsysError
from recsys.evaluation.source import read_source
from recsys.policy import load_policy, never_items
from serving.load import load_people, people_of
from serving.stores import create_store

NOW = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)


def main() -> None:
    """Print both times, and how many lines a second ours takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    work = parser.parse_args().work
    try:
        purchases = read_source(work / "release", today=dt.datetime.now(dt.UTC).date()).purchases
        subjects = SUBJECTS.read(work / "release" / "subjects.parquet")
        catalogue = CATALOGUE.read(shop_in(work).catalogue)
    except RecsysError as error:
        sys.exit(f"Run `make demo` first: {error}")
    with tempfile.TemporaryDirectory() as folder:
        ours = _loading(Path(folder), purchases, subjects, catalogue)
        result = compare(f"{len(purchases):,} lines loaded", ours, _inserting(Path(folder), purchases), rounds=3)
    sys.stdout.write(f"{result}   {len(purchases) / result.ours:10,.0f} lines/s\n")


def _loading(
    folder: Path, purchases: pl.DataFrame, subjects: pl.DataFrame, catalogue: pl.DataFrame
) -> Callable[[], object]:
    never = never_items(load_policy(POLICY), catalogue)

    def load() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            people, counts = people_of(purchases, subjects, sold=catalogue["item"], never=never)
            with contextlib.closing(create_store(f"sqlite:///{own}/state.db")) as store:
                load_people(store, people, counts, now=NOW, progress=lambda _: None)

    return load


def _inserting(folder: Path, purchases: pl.DataFrame) -> Callable[[], object]:
    lines = purchases.select("subject", "item", pl.col("day").to_physical(), "quantity")

    def insert() -> None:
        with (
            tempfile.TemporaryDirectory(dir=folder) as own,
            contextlib.closing(sqlite3.connect(f"{own}/plain.db")) as plain,
        ):
            plain.execute("PRAGMA journal_mode = WAL")
            plain.execute("CREATE TABLE purchases (subject TEXT, item TEXT, day INTEGER, quantity REAL)")
            plain.executemany("INSERT INTO purchases VALUES (?, ?, ?, ?)", lines.iter_rows())
            plain.execute("CREATE INDEX by_subject ON purchases (subject)")
            plain.commit()

    return insert


if __name__ == "__main__":
    main()
