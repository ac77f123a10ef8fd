"""Which pooling rule finds the offers that people want? `python -m benchmarks.choose_pooling` after `make results`.

Redeemed coupons: a unit is a household and a campaign of which it redeemed something; the candidates are the campaign's
coupons; the history ends, and item statistics are counted, where the campaign starts. The bundle is fitted until July,
the campaigns start after it. A rule is to be chosen on those that start before the test window of the results. What was
redeemed in that window is told beside them, with what was known on its first day.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.bundle import load_bundle
from recsys.candidate_map import CandidateMap
from recsys.contracts.evaluation_sets import REDEMPTIONS
from recsys.contracts.offers import OFFERS
from recsys.contracts.purchases import read_purchases
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.intervals import bootstrap_unit_means
from recsys.evaluation.lists import top_lists
from recsys.evaluation.metrics import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.offers import Campaign, campaigns_of
from recsys.history import ItemIndex, day_number, histories
from recsys.pooling import coverage, decayed, pool
from recsys.ragged import Ragged
from recsys.scorer import Scorer

TEST: Final = dt.date(2017, 11, 27)
K: Final = 10


@dataclass(frozen=True, slots=True)
class Offered:
    """What one household is offered: O coupons over P pairs of coupon and model item.

    Args:
        owner: int64 [P], the coupon of each pair.
        score: float64 [P], what the model says of its item.
        days: float64 [P], on how many days the household bought it.
        covered: float64 [O].
        pooled: float64 [O], by the rule that ships.
    """

    owner: NDArray[np.int64]
    score: NDArray[np.float64]
    days: NDArray[np.float64]
    covered: NDArray[np.float64]
    pooled: NDArray[np.float64]

    def sum_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 [O]."""
        return np.asarray(np.bincount(self.owner, values, minlength=len(self.covered)), np.float64)

    @property
    def largest(self) -> NDArray[np.float64]:
        """float64 [O]; 0 where the model knows none of the items."""
        best = np.zeros(len(self.covered))
        np.maximum.at(best, self.owner, self.score)
        return best

    @property
    def weighted(self) -> NDArray[np.float64]:
        """float64 [O]: the mean score, an item counting once and once more for each day that it was bought on."""
        weight = 1 + self.days
        return self.sum_of(self.score * weight) / np.maximum(self.sum_of(weight), 1)


RULES: Final[dict[str, Callable[[Offered], NDArray[np.float64]]]] = {
    "largest": lambda given: given.largest,
    "sum": lambda given: given.sum_of(given.score),
    "log-sum-exp": lambda given: np.log(np.maximum(given.sum_of(np.exp(given.score)), 1)),
    "count-weighted": lambda given: given.weighted,
}
COVERAGE: Final = "coverage alone"
SHIPS: Final = "score · share"


def main() -> None:
    """Print NDCG@10 of each rule, alone and with log(1 + coverage), with its 95 % interval over households."""
    work, scorer, purchases = of_results(__doc__)
    coupons, redeemed = OFFERS.read(work / "coupons.parquet"), REDEMPTIONS.read(work / "redemptions.parquet")
    campaigns = campaigns_of(coupons, redeemed)
    late = campaigns_of(coupons, redeemed.filter(pl.col("day") >= TEST))
    for title, some in {
        f"campaigns from before {TEST}": [campaign for campaign in campaigns if campaign.start < TEST],
        "all campaigns": campaigns,
        f"redeemed from {TEST} on, known up to it": [replace(one, start=max(one.start, TEST)) for one in late],
    }.items():
        tell(title, list(_units(scorer, purchases, some)))


def of_results(about: str | None) -> tuple[Path, Scorer, pl.DataFrame]:
    """Where the results' files are (`--work`), the bundle that they rank coupons with, and the purchases."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--work", type=Path, default=Path("build/results/complete-journey"))
    work: Path = parser.parse_args().work
    scorer = Scorer(load_bundle(work / "models" / "coupons", trust=work / "signing.key.pub"))
    return work, scorer, read_purchases(work / "purchases.parquet", today=dt.datetime.now(dt.UTC).date())


def tell(title: str, units: list[tuple[str, dict[str, float]]]) -> None:
    """Print the mean of each rule, with its interval over households."""
    if not units:
        return
    table = pl.DataFrame([figures for _, figures in units])
    _, owners = np.unique([subject for subject, _ in units], return_inverse=True)
    sys.stdout.write(
        f"\n{title}: {len(units)} units of {owners.max() + 1} households\n\n| rule | NDCG@10 |\n|---|---|\n"
    )
    estimates = bootstrap_unit_means(table.to_numpy(), owners, np.random.default_rng(0))
    for rule, one in zip(table.columns, estimates, strict=True):
        sys.stdout.write(f"| {rule} | {one.mean:.4f} [{one.low:.4f}, {one.high:.4f}] |\n")


def _units(
    scorer: Scorer, purchases: pl.DataFrame, campaigns: list[Campaign]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Households with the NDCG of every rule, campaign by campaign."""
    names = {item for campaign in campaigns for items in campaign.offers["items"] for item in items}
    index = ItemIndex.of(sorted({*purchases["item"].unique(), *names}))
    codes = scorer.codes(index)
    fresh = FreshStatistics(scorer, purchases, index, codes)
    for campaign in campaigns:
        fresh.refresh(campaign.start)
        redeemed = campaign.redeemed.group_by("subject").agg("offer_id").sort("subject")
        position = {offer: place for place, offer in enumerate(campaign.offers["offer_id"])}
        offers = _offered(scorer, purchases, campaign, (index, codes), redeemed["subject"].to_list())
        for (subject, taken), given in zip(redeemed.iter_rows(), offers, strict=True):
            if given is not None:
                relevant = np.isin(np.arange(len(position)), [position[offer] for offer in taken])
                yield subject, {rule: ndcg_of(scores, relevant) for rule, scores in _ranked(given)}


def _ranked(given: Offered) -> Iterator[tuple[str, NDArray[np.float64]]]:
    covered = np.log1p(given.covered)
    yield COVERAGE, covered
    yield SHIPS, given.pooled
    for name, rule in RULES.items():
        yield name, rule(given)
        yield f"{name} + log(1 + coverage)", rule(given) + covered


def _offered(
    scorer: Scorer,
    purchases: pl.DataFrame,
    campaign: Campaign,
    items: tuple[ItemIndex, NDArray[np.int32]],
    subjects: list[str],
) -> Iterator[Offered | None]:
    """What each of the subjects is offered; None for one without a history that the model can use."""
    index, codes = items
    day = day_number(campaign.start)
    known = histories(purchases, index, until=campaign.start, subjects=subjects)
    listed = Ragged.of(np.unique(index.encode_known(row)) for row in campaign.offers["items"])
    offers = CandidateMap.from_items(listed, codes, scorer.parts(index, codes))
    folded = scorer.fold(known, codes, as_of=day)
    covered = decayed(known, listed.transposed(len(index)), day, len(listed)).astype(np.float64)
    scores = scorer.score(folded, offers.candidates)
    pooled = pool(scores, coverage(known, offers, day), offers).astype(np.float64)
    position, owner = offers.of_offer.values, offers.of_offer.owners
    bought = np.zeros((len(subjects), len(scorer.vocabulary) + 1))
    row, slot = np.nonzero(folded.quantities > 0)
    np.add.at(bought, (row, folded.items[row, folded.slots[row, slot]]), 1)
    days = bought[:, offers.candidates]
    for unit in range(len(subjects)):
        if folded.known[unit]:
            yield Offered(owner, scores[unit, position], days[unit, position], covered[unit], pooled[unit])
        else:
            yield None


def ndcg_of(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """NDCG@10 of one list, the best first, of what has a score."""
    return float(ndcg(Judged.of(top_lists(scores[None], K), relevant[None]))[0])


if __name__ == "__main__":
    main()
