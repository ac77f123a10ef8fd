"""Offers, judged: do people redeem what ranks high among the offers of a campaign, as known when it started?"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.evaluation.comparison import K
from recsys.evaluation.fresh import FreshStatistics
from recsys.evaluation.intervals import Estimate, bootstrap_unit_means
from recsys.evaluation.lists import top_lists
from recsys.evaluation.metrics import Judged
from recsys.evaluation.metrics.ndcg import ndcg
from recsys.evaluation.sold import AS_THE_BUNDLE_KNOWS, Sold
from recsys.fallback import popularity
from recsys.history import ItemIndex, day_number, histories
from recsys.pooling import CandidateMap, coverage, decayed, pool, popular
from recsys.ragged import Ragged
from recsys.scorer import Scorer

POOLED: Final = "pooled"  # the rule that ships
LOTS: Final = "random"
RULES: Final = (POOLED, "coverage", "model", "popularity", LOTS)


class RuleFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """NDCG of one rule over all units, and how much better the rule that ships is than it, paired."""

    rule: str
    ndcg: Estimate
    pooled_minus_this: Estimate


class OffersResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`offers.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^offer-ranking/2$")] = "offer-ranking/2"
    bundle: str
    guard_policy: str | None = None  # the hash of the policy whose `learn = false` was kept to
    k: int
    seed: int
    campaigns: int
    units: int
    subjects: int  # whose the units are; intervals draw subjects, with all of their units
    without_history: int
    figures: tuple[RuleFigure, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """Offers that start together, and who redeemed which of them.

    Args:
        start: Its first day: nothing dated on or after it is known.
        offers: `offer_id, items`.
        redeemed: `subject, offer_id`, distinct.
    """

    start: dt.date
    offers: pl.DataFrame
    redeemed: pl.DataFrame


def campaigns_of(offers: pl.DataFrame, redemptions: pl.DataFrame) -> list[Campaign]:
    """The campaigns of which something was redeemed, by start.

    Args:
        offers: In the offers contract, with campaigns and the first instant of each offer.
        redemptions: In the redemptions contract.

    Raises:
        ContractError: Offers say no campaign or no start, or nothing of theirs was redeemed.
    """
    for column in ("campaign", "valid_from"):
        if column not in offers.columns or offers[column].null_count():
            raise ContractError(
                f"offers without {column} cannot be judged", where="--offers", mend=f"Give every offer its {column}"
            )
    found = []
    for part in offers.sort("valid_from", "campaign", "offer_id").partition_by("campaign", maintain_order=True):
        redeemed = redemptions.join(part.select("offer_id"), on="offer_id").select("subject", "offer_id").unique()
        if len(redeemed):
            found.append(Campaign(part["valid_from"][0].date(), part.select("offer_id", "items"), redeemed))
    if not found:
        raise ContractError(
            "none of the offers was redeemed", where="--redemptions", mend="Name files that belong together"
        )
    return found


def judge_offers(
    scorer: Scorer,
    purchases: pl.DataFrame,
    campaigns: list[Campaign],
    counted: pl.DataFrame,
    *,
    seed: int,
    sold: Sold = AS_THE_BUNDLE_KNOWS,
) -> OffersResult:
    """Rank each campaign's offers for those who redeemed one of them, by the rule that ships and by its parts.

    Args:
        scorer: Of the bundle.
        purchases: In the purchases contract, without what must not be learned from.
        campaigns: See `campaigns_of`.
        counted: Those of the purchases that item statistics are computed from, as of each campaign's start.
        seed: Of the bootstrap's resamples.
        sold: What places items, and what must not be learned from: that gives an offer no score.
    """
    names = {item for campaign in campaigns for items in campaign.offers["items"] for item in items}
    index = ItemIndex.of(sorted({*purchases["item"].unique(), *names}))
    codes = sold.codes(scorer, index)
    fresh = FreshStatistics(scorer, counted, index, scorer.codes(index))  # as `recsys-train statistics` counts
    values, owners, strangers = [np.empty((0, len(RULES)))], list[str](), 0
    lots = np.random.default_rng([seed, 1])
    for campaign in campaigns:
        fresh.refresh(campaign.start)
        whose, found = _judged(scorer, purchases, campaign, (index, codes), lots)
        values.append(found)
        owners += whose
        strangers += campaign.redeemed["subject"].n_unique() - len(whose)
    result = _result(scorer, (np.concatenate(values), owners), (len(campaigns), strangers), seed)
    return msgspec.structs.replace(result, guard_policy=sold.unlearned.policy)


def _result(
    scorer: Scorer, units: tuple[NDArray[np.float64], list[str]], counts: tuple[int, int], seed: int
) -> OffersResult:
    table, owners = units
    if not len(table):
        raise ContractError(
            "nobody who redeemed anything has a history that the bundle can use",
            where="--purchases",
            mend="Name purchases that reach back before the campaigns' first days",
        )
    columns = np.concatenate([table, table[:, :1] - table], axis=1)
    subjects, numbers = np.unique(owners, return_inverse=True)
    estimates = bootstrap_unit_means(columns, numbers, np.random.default_rng(seed))
    return OffersResult(
        bundle=scorer.bundle.model_version,
        k=K,
        seed=seed,
        campaigns=counts[0],
        units=len(table),
        subjects=len(subjects),
        without_history=counts[1],
        figures=tuple(
            RuleFigure(rule=rule, ndcg=estimates[place], pooled_minus_this=estimates[len(RULES) + place])
            for place, rule in enumerate(RULES)
        ),
    )


def _judged(
    scorer: Scorer,
    purchases: pl.DataFrame,
    campaign: Campaign,
    items: tuple[ItemIndex, NDArray[np.int32]],
    lots: np.random.Generator,
) -> tuple[list[str], NDArray[np.float64]]:
    """Whose the campaign's units with a history are, and their NDCG@10, float64 [units, rules]."""
    index, codes = items
    subjects = campaign.redeemed["subject"].unique().sort().to_list()
    known = histories(purchases, index, until=campaign.start, subjects=subjects)
    items_of = Ragged.of(np.unique(index.encode_known(row)) for row in campaign.offers["items"])
    offers = CandidateMap.from_items(items_of, codes, scorer.sizes)
    today = day_number(campaign.start)
    folded = scorer.fold(known, codes, as_of=today)
    covered = decayed(known, items_of.transposed(len(index)), today, len(items_of))
    model = scorer.score(folded, offers.candidates)
    bestsellers = popular(popularity(scorer)[offers.candidates], offers)
    best = offers.of_offer.max_of(model)
    scores = (
        pool(model, coverage(known, offers, today), offers),
        covered,
        best,
        np.broadcast_to(bestsellers, covered.shape),
        lots.random(covered.shape),
    )
    position = {offer: place for place, offer in enumerate(campaign.offers["offer_id"])}
    row = {subject: place for place, subject in enumerate(subjects)}
    relevant = np.zeros(covered.shape, np.bool_)
    for subject, offer in campaign.redeemed.iter_rows():
        relevant[row[subject], position[offer]] = True
    able = np.flatnonzero(folded.known)
    if not len(able):
        return [], np.empty((0, len(RULES)))
    found = np.stack([ndcg(Judged.of(top_lists(rule[able], K), relevant[able])) for rule in scores], axis=1)
    return [subjects[unit] for unit in able.tolist()], found
