"""Replay of two policies, report included: `python -m benchmarks.replay --demo build/demo`.

On what `make demo` made: every household before 1,000 offers, the real ones and one for each of the largest types that
no offer names. Prints the seconds of the whole command as a process of its own, start and page included, and how many
of them ranking takes. The claim is 30 seconds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from recsys.console import today
from recsys.contracts.offers import OFFERS
from recsys.evaluation.batch import Question
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.policy_lab.lab import Lab
from recsys.policy import load_policy

POLICY = Path(__file__).parents[1] / "examples" / "policies" / "grocery.toml"
AS_OF = dt.date(2017, 11, 27)
SIZE = 1_000


def main() -> None:
    """Time the command, and its ranking alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("build/demo"))
    demo: Path = parser.parse_args().demo
    release, raw = demo / "release", demo / "raw"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = folder / "other.toml"
        other.write_text(re.sub(r'(groups = \["alcohol"\]\nmin_days = )2', r"\g<1>3", POLICY.read_text()))
        offers = many_offers(raw, folder / "offers.parquet")
        shop = Shop(demo / "models" / "grocery", demo / "signing.key.pub", POLICY, raw / "catalogue.parquet", offers)
        options = {
            "--bundle": shop.bundle,
            "--trust": shop.trust,
            "--purchases": release / "purchases.parquet",
            "--subjects": release / "subjects.parquet",
            "--catalogue": shop.catalogue,
            "--offers": offers,
            "--as-of": AS_OF,
            "--out": folder / "out",
        }
        words = ["policy", "replay", POLICY, "--against", other, *(word for pair in options.items() for word in pair)]
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "recsys", *map(str, words)], check=True, capture_output=True)  # noqa: S603 - our own
        wall, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        subjects, ranking = ranking_alone(shop, release, (POLICY, other))
    print(  # noqa: T201 - a script's result
        f"two policies, {subjects:,} households x {SIZE:,} offers, report included: {wall:.1f} s, {cpu:.1f} s of CPU; "
        f"scoring and ranking for the two alone: {ranking:.1f} s of CPU"
    )


def ranking_alone(shop: Shop, release: Path, policies: tuple[Path, ...]) -> tuple[int, float]:
    """How many people there are, and the seconds of CPU that their lists take under each policy in turn."""
    people = People(release / "purchases.parquet", release / "subjects.parquet", None).read(today=today())
    lab = Lab.of(shop.open(), people, Question("email", 10, None, AS_OF))
    books = [lab.book(load_policy(policy)) for policy in policies]
    lab.histories(books[0])
    before = time.process_time()
    for book in books:
        lab.lists(book)
    return len(lab.subjects), time.process_time() - before


def many_offers(raw: Path, path: Path) -> Path:
    """Write 1,000 offers: the real ones, and one for each of the largest types that remain."""
    real = OFFERS.read(raw / "offers.parquet")
    covered = real["items"].explode().unique()
    rest = (
        pl.read_parquet(raw / "catalogue.parquet")
        .filter(pl.col("category").is_not_null(), ~pl.col("item").is_in(covered.implode()))
        .group_by("category")
        .agg(pl.col("item").alias("items"))
        .sort(pl.col("items").list.len(), "category", descending=[True, False])
        .head(SIZE - len(real))
        .with_row_index("number")
    )
    made = rest.select(pl.format("type-{}", "number").alias("offer_id"), "items", pl.col("category").alias("title"))
    OFFERS.write(pl.concat([real, made], how="diagonal"), path)
    return path


if __name__ == "__main__":
    main()
