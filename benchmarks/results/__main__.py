"""Make docs/results.md: `python -m benchmarks.results --work build/results`, or `make results`.

Fits the recipe and every baseline before each window, by the real commands; what is done is kept in the folder, so that
an interrupted run goes on with the next data set. MovieLens is read from recbole's wheel, if there is one:

    pip download --no-deps --dest build recbole
    python -m benchmarks.results --work build/results --movielens build/recbole-1.2.1-py3-none-any.whl
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.results.data import write_complete_journey, write_movielens
from benchmarks.results.page import page
from recsys.evaluation.results import RankingResult

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@dataclass(frozen=True)
class DataSet:
    """A data set, and how it is split."""

    title: str
    name: str
    backtest: tuple[str, ...]


JOURNEY = DataSet(
    "Complete Journey",
    "complete-journey",
    ("--as-of", "2017-11-27", "--windows", "5", "--horizon", "28", "--level", "type"),
)
MOVIES = DataSet("MovieLens 100K", "movielens", ("--windows", "5", "--horizon", "10", "--level", "item"))


def main() -> None:
    """Run what is not there yet, and write the page of all that is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/results"))
    parser.add_argument("--movielens", type=Path, help="recbole's wheel")
    parser.add_argument("--note", default="", help="What a reader of the page has to know about this run")
    given = parser.parse_args()
    journey = given.work / JOURNEY.name
    if not (journey / "purchases.parquet").is_file():
        write_complete_journey(journey)
    run(JOURNEY, given.work, "--catalogue", str(journey / "catalogue.parquet"))
    if given.movielens:
        if not (given.work / MOVIES.name / "purchases.parquet").is_file():
            write_movielens(given.work / MOVIES.name, given.movielens)
        run(MOVIES, given.work)
    files = {one.title: given.work / one.name / "report" / "ranking.json" for one in (JOURNEY, MOVIES)}
    results = {
        title: msgspec.json.decode(path.read_bytes(), type=RankingResult)
        for title, path in files.items()
        if path.is_file()
    }
    PAGE.write_text(page(results, given.note), encoding="utf-8")


def run(data: DataSet, work: Path, *catalogue: str) -> None:
    """Backtest and judging, each as its command; what is there already is left."""
    folder = work / data.name
    purchases = ("--purchases", str(folder / "purchases.parquet"))
    runs, report = folder / "runs", folder / "report"
    if not runs.is_dir():
        timed("training", "backtest", *purchases, *catalogue, *data.backtest, "--out", str(runs))
    if not report.is_dir():
        timed("recsys", "ranking", "--runs", str(runs), *purchases, "--out", str(report))


def timed(module: str, *arguments: str) -> None:
    """Run a command, and say what it took."""
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)  # noqa: S603 - our own commands
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    sys.stderr.write(f"{module} {arguments[0]}: {cpu:.0f} s of CPU, {time.perf_counter() - begun:.0f} s in all\n")


if __name__ == "__main__":
    main()
