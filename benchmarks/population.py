"""Everyone of Complete Journey decided for in batch: `python -m benchmarks.population [--work build/demo]`.

Needs the files that `make demo` leaves. They are in memory when it starts; netting the purchases, folding in, scoring,
guards, lists, reasons and JSON are all in the figure. Held against the same path person by person, on a few.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from benchmarks.timing import compare, seconds
from recsys.errors import RecsysError
from recsys.evaluation.batch import Question, decide_everyone
from recsys.evaluation.inputs import People, Shop
from recsys.evaluation.population import Population
from recsys.recommender import Recommender

POLICY = Path(__file__).parents[1] / "examples" / "policies" / "grocery.toml"
QUESTION = Question("email", 10, None, dt.date(2017, 11, 27))
FEW = 100


def main() -> None:
    """Print how many subjects a second, and how many times as fast that is as one by one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo"))
    try:
        recommender, everyone = read(parser.parse_args().work)
    except RecsysError as error:
        sys.exit(f"Run `make demo` first: {error}")
    few = of(everyone, everyone.subjects[:FEW])
    alone = [of(few, (subject,)) for subject in few.subjects]
    batch = partial(decided, recommender, few)
    result = compare(
        f"{FEW} households, one by one", batch, lambda: [decided(recommender, person) for person in alone], rounds=3
    )
    best = min(seconds(partial(decided, recommender, everyone)) for _ in range(3))
    count = len(everyone.subjects)
    label = f"{count:,} households, batch"
    sys.stdout.write(f"{result}\n{label:<64} {best * 1e3:10.2f} ms {count / best:28,.0f} subjects/s\n")


def read(work: Path) -> tuple[Recommender, Population]:
    """What `make demo` left."""
    release = work / "release"
    people = People(release, release / "subjects.parquet", None)
    return shop_in(work).recommender(), people.read(today=dt.datetime.now(dt.UTC).date())


def shop_in(work: Path) -> Shop:
    """Where `make demo` left the shop."""
    raw = work / "raw"
    return Shop(
        work / "models" / "grocery",
        work / "signing.key.pub",
        POLICY,
        raw / "catalogue.parquet",
        raw / "offers.parquet",
    )


def of(population: Population, subjects: tuple[str, ...]) -> Population:
    """Some of the people, with their purchases."""
    own = population.purchases.filter(pl.col("subject").is_in(list(subjects)))
    return replace(population, subjects=subjects, purchases=own)


def decided(recommender: Recommender, population: Population) -> bytes:
    """The lines that `recsys-evaluate decide` writes."""
    encoder = msgspec.json.Encoder(order="deterministic")
    return encoder.encode_lines(decide_everyone(recommender, population, QUESTION, seed=0))


if __name__ == "__main__":
    main()
