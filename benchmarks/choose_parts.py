"""Which offers of one thing do people want? `python -m benchmarks.choose_parts` after `make results`.

In the four weeks after the last day of the bundle that the results rank coupons with: whole model items; the products
that sold best until then; and those of them that a household had never bought. A unit is a household that bought any.
Held against each other: pooling rules, what sells, and a product's part of its model item by number alone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.choose_pooling import COVERAGE, SHIPS, ndcg_of, of_results, tell
from recsys.candidate_map import CandidateMap
from recsys.fallback import popularity
from recsys.history import Histories, ItemIndex, day_number, histories
from recsys.model_histories import ModelHistories
from recsys.pooling import coverage, decayed, pool, popular
from recsys.ragged import Ragged
from recsys.scorer import BATCH, Scorer

AHEAD, PRODUCTS = 28, 20_000
POPULAR: Final = "what sells"
BY_NUMBER: Final = "parts by number"


@dataclass(frozen=True)
class Market:
    """What is known on the bundle's last day, and what was bought then.

    Args:
        scorer: Of the bundle.
        index: Items.
        codes: int32 [items], their model items.
        known: Histories until then.
        folded: The same, of model items.
        bought: Purchases of the four weeks from there, of the same households.
        today: The day.
    """

    scorer: Scorer
    index: ItemIndex
    codes: NDArray[np.int32]
    known: Histories
    folded: ModelHistories
    bought: Histories
    today: int

    @classmethod
    def of(cls, scorer: Scorer, purchases: pl.DataFrame) -> Market:
        """Lay the purchases out."""
        until, item_map = scorer.bundle.manifest.data.until, scorer.bundle.item_map
        there = set() if item_map is None else set(item_map["item"])
        index = ItemIndex.of(sorted(there.union(purchases["item"])))
        codes, today = scorer.codes(index), day_number(until)
        known = histories(purchases, index, until=until)
        later = purchases.filter(pl.col("day").is_between(until, until + dt.timedelta(days=AHEAD), closed="left"))
        bought = histories(later, index, subjects=known.subjects)
        return cls(scorer, index, codes, known, scorer.fold(known, codes, as_of=today), bought, today)


def main() -> None:
    """Print NDCG@10 of each rule, with its 95 % interval over households."""
    _, scorer, purchases = of_results(__doc__)
    market = Market.of(scorer, purchases)
    whole = [np.flatnonzero(market.codes == code) for code in range(len(scorer.vocabulary))]
    sold = purchases.filter(pl.col("day") < scorer.bundle.manifest.data.until)["item"].value_counts(sort=True)
    products = Ragged.of(market.index.encode_known(sold["item"][:PRODUCTS])[:, None])
    tell("whole model items", units_of(market, Ragged.of(whole)))
    tell(f"the {PRODUCTS:,} products that sold best", units_of(market, products))
    tell("those of them that they had never bought", units_of(market, products, new=True))


def units_of(market: Market, offered: Ragged, *, new: bool = False) -> list[tuple[str, dict[str, float]]]:
    """Households with the NDCG of each rule.

    Args:
        market: What is known, and what was bought.
        offered: The items of each offer.
        new: Whether only what a household had never bought is offered to it.
    """
    number = np.bincount(market.codes[market.codes >= 0], minlength=len(market.scorer.vocabulary))
    parts = market.scorer.parts(market.index, market.codes), 1 / np.maximum(number, 1)[market.codes]
    maps = [CandidateMap.from_items(offered, market.codes, of_items) for of_items in parts]
    covering, units = offered.transposed(len(market.index)), []
    for start in range(0, len(market.known), BATCH):
        rows = slice(start, min(start + BATCH, len(market.known)))
        own, later = market.known.slice(rows.start, rows.stop), market.bought.slice(rows.start, rows.stop)
        covered, wanted = (decayed(each, covering, market.today, len(offered)) for each in (own, later))
        rules = _rules(market, rows, own, np.log1p(covered), maps)
        relevant = wanted > 0
        if new:
            relevant &= covered == 0
            rules = {name: np.where(covered > 0, -np.inf, rule) for name, rule in rules.items()}
        units += [
            (own.subjects[row], {name: ndcg_of(rule[row], relevant[row]) for name, rule in rules.items()})
            for row in np.flatnonzero(market.folded.known[rows] & relevant.any(axis=1)).tolist()
        ]
    return units


def _rules(
    market: Market, rows: slice, own: Histories, covered: NDArray[np.float32], maps: list[CandidateMap]
) -> dict[str, NDArray[np.float32]]:
    """Name to float32 [B, O]."""
    offers = maps[0]
    scores = market.scorer.score(market.folded.rows(np.arange(rows.start, rows.stop)), offers.candidates)
    found, largest = coverage(own, offers, market.today), offers.of_offer.max_of(scores)
    shares = popularity(market.scorer)[offers.candidates]
    rules = {COVERAGE: covered, "largest": largest, "largest + log(1 + coverage)": largest + covered}
    for name, each in zip(("", f", {BY_NUMBER}"), maps, strict=True):
        rules[SHIPS + name] = pool(scores, found, each)
        rules[POPULAR + name] = np.broadcast_to(popular(shares, each), covered.shape)
    return rules


if __name__ == "__main__":
    main()
