"""Which pooling rule finds the coupons that people redeem? `python benchmarks/choose_pooling.py` after `make demo`.

A unit is a household and a campaign of which it redeemed something; the candidates are the campaign's coupons; the
history ends at the campaign's start. The bundle is fitted until July, the campaigns start after it and before the
test window of the evaluation.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import load_bundle
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import EMPTY_STATE
from recsys.guards import Situation
from recsys.history import day_number, histories
from recsys.model_items import catalogue_map
from recsys.offer_book import open_offer_book
from recsys.policy.document import Policy
from recsys.pooling import CandidateMap, coverage
from recsys.scorer import Scorer

FIRST, LAST = dt.date(2017, 7, 1), dt.date(2017, 11, 26)
PLACES = 10
Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Rule = Callable[[Arrays], NDArray[np.floating]]
RULES: dict[str, Rule] = {
    "largest popularity": lambda given: given[2],
    "largest score of the model": lambda given: given[0],
    "log(1 + coverage)": lambda given: np.log1p(given[1]),
    "largest score + 0.3 log(1 + coverage)": lambda given: given[0] + 0.3 * np.log1p(given[1]),
    "largest score + log(1 + coverage)": lambda given: given[0] + np.log1p(given[1]),
    "largest score + 3 log(1 + coverage)": lambda given: given[0] + 3 * np.log1p(given[1]),
}


def main(demo: Path, work: Path) -> None:
    """Print NDCG@10 of each rule with its 95 % interval over units."""
    scorer = _scorer(demo, work)
    found = {rule: np.concatenate(list(_judged(demo, scorer, score))) for rule, score in RULES.items()}
    rng = np.random.default_rng(0)
    for rule, values in found.items():
        means = rng.choice(values, (2000, len(values))).mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        sys.stdout.write(f"{rule:<40} {values.mean():.3f} [{low:.3f}, {high:.3f}]  {len(values)} units\n")


def _scorer(demo: Path, work: Path) -> Scorer:
    key = demo / "signing.key"
    command = [Path(sys.executable).with_name("recsys-train"), "fit", "--purchases", demo / "release"]
    command += ["--catalogue", demo / "raw" / "catalogue.parquet", "--level", "type", "--until", FIRST]
    command += ["--models", work, "--name", "pooling", "--signing-key", key]
    subprocess.run(list(map(str, command)), check=True)  # noqa: S603 - our own command
    return Scorer(load_bundle(work / "pooling", trust=demo / "signing.key.pub"))


def _judged(demo: Path, scorer: Scorer, rule: Rule) -> Iterator[NDArray[np.float64]]:
    """NDCG@10 of the units, campaign by campaign; ideal = min(10, redeemed)."""
    redemptions = pl.read_parquet(demo / "release" / "redemptions.parquet")
    purchases = pl.read_parquet(demo / "release" / "purchases.parquet")
    catalogue = pl.read_parquet(demo / "raw" / "catalogue.parquet")
    for start, offers in _campaigns(catalogue):
        redeemed = redemptions.filter(pl.col("offer_id").is_in(offers["offer_id"].implode()))
        subjects = redeemed["subject"].unique().sort().to_list()
        if not subjects:
            continue
        book = open_offer_book(offers, catalogue, Policy(version=1, sha256="0" * 64))
        codes = scorer.codes(book.index, catalogue_map(catalogue, scorer.bundle.manifest.level))
        candidates = CandidateMap.of(book, codes)
        known = histories(purchases, book.index, until=start, subjects=subjects)
        at = dt.datetime.combine(start, dt.time(), dt.UTC)
        requests = [DecisionRequest(subject=subject, channel="email") for subject in subjects]
        situation = Situation(requests, [EMPTY_STATE] * len(subjects), known, book, at)
        scores = scorer.score(scorer.fold(known, codes, as_of=day_number(start)), candidates.candidates)
        best = candidates.of_offer.max_of(scores)
        popular = candidates.of_offer.max_of(_popularity(scorer)[candidates.candidates])
        covered = coverage(situation, known, candidates)
        ranked = np.argsort(-rule((best, covered, np.broadcast_to(popular, best.shape))), axis=1, kind="stable")
        relevant = np.zeros(best.shape, np.bool_)
        for subject, offer in redeemed.select("subject", "offer_id").unique().iter_rows():
            relevant[subjects.index(subject), book.positions[offer]] = True
        yield _ndcg(np.take_along_axis(relevant, ranked[:, :PLACES], axis=1), relevant.sum(axis=1))


def _campaigns(catalogue: pl.DataFrame) -> Iterator[tuple[dt.date, pl.DataFrame]]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "complete_journey"))
    from source import read_source  # noqa: PLC0415 - the example's folder is not a package

    source = read_source()
    dated = source.campaigns.with_columns(pl.col("start_date").cast(pl.Date))
    for campaign, start in dated.select("campaign_id", "start_date").sort("start_date").iter_rows():
        if FIRST <= start <= LAST:
            lines = source.coupons.filter(pl.col("campaign_id") == campaign).with_columns(
                pl.format("{}-{}", "campaign_id", "coupon_upc").alias("offer_id"),
                pl.col("product_id").cast(pl.String).alias("items"),
            )
            lines = lines.filter(pl.col("items").is_in(catalogue["item"].implode()))
            offers = lines.group_by("offer_id").agg("items").sort("offer_id").with_columns(title="offer_id")
            yield start, OFFERS.checked(offers, where="coupons")


def _popularity(scorer: Scorer) -> NDArray[np.float32]:
    statistics = scorer.bundle.statistics
    popularity = np.zeros(len(scorer.vocabulary), np.float32)
    popularity[scorer.vocabulary.encode(statistics["item"])] = statistics["popularity_30d"]
    return popularity


def _ndcg(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    discounts = 1 / np.log2(np.arange(2, PLACES + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, PLACES) - 1]
    return np.asarray(hits @ discounts[: hits.shape[1]] / ideal)


if __name__ == "__main__":
    main(Path("build/demo"), Path("build/pooling"))
