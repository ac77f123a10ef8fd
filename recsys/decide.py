"""The decision: scores, then guards, then the exact top-k of what is allowed. Pure: the same values, the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.decision import Decision, Fill, RankedOffer, Reason
from recsys.guards import GUARDS, Situation
from recsys.ranking import top_k

PERSONAL_ARM = "personal"  # the only arm there is until holdouts exist


@dataclass(frozen=True, slots=True)
class Scores:
    """The offers' scores before any guard.

    Args:
        personal: float32 [B, O]; not finite where nothing is known of the offer.
        popular: float32 [O]; the same, for everyone.
        known: bool [B], whose history the model can use.
    """

    personal: NDArray[np.float32]
    popular: NDArray[np.float32]
    known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The list for one subject, before it is written down.

    Args:
        offers: int64 [≤ count], positions in the book, best first.
        scores: float32, theirs.
        personal: Whether the scores are the subject's own.
        fill: What the decision will say of the list.
        withheld: Offers withheld, by the first rule that did; "unscored" for those that nothing is known of.
    """

    offers: NDArray[np.int64]
    scores: NDArray[np.float32]
    personal: bool
    fill: Fill
    withheld: dict[str, int]


@dataclass(frozen=True, slots=True)
class Versions:
    """What decided: stands in every decision."""

    model: str
    policy: str


def rank(situation: Situation, scores: Scores) -> list[Ranking]:
    """Rank the offers for each subject; without consent to profiling or without a history, by popularity.

    Every list passes through the same guards. Guards see no score, and no score undoes a guard.
    """
    verdicts = {rule: guard(situation) for rule, guard in GUARDS.items()}
    withheld = np.logical_or.reduce(list(verdicts.values()))
    rankings = []
    for row, (request, state) in enumerate(zip(situation.requests, situation.states, strict=True)):
        personal = bool(state.may_profile and scores.known[row])
        own = scores.personal[row] if personal else scores.popular
        best = top_k(own, ~withheld[row], request.count, situation.book.priority)
        counts = _counts({rule: verdict[row] for rule, verdict in verdicts.items()}, ~np.isfinite(own))
        rankings.append(Ranking(best, own[best], personal, _fill(len(best), request.count, personal), counts))
    return rankings


def decide(
    situation: Situation,
    rankings: Sequence[Ranking],
    reasons: Sequence[Sequence[tuple[Reason, ...]]],
    versions: Versions,
    rng: np.random.Generator,
) -> list[Decision]:
    """Write down the rankings.

    Args:
        situation: What they were made for.
        rankings: B rankings.
        reasons: B sequences, one entry for each ranked offer.
        versions: What decided.
        rng: Names the decisions; ranking without exploration draws nothing else.
    """
    decisions = []
    for row, ranking in enumerate(rankings):
        items = tuple(
            RankedOffer(
                offer_id=situation.book.ids[offer],
                rank=place + 1,
                score=float(score),
                propensity=1.0,  # nothing is left to chance
                reasons=why,
            )
            for place, (offer, score, why) in enumerate(zip(ranking.offers, ranking.scores, reasons[row], strict=True))
        )
        decisions.append(
            Decision(
                decision_id=rng.bytes(16).hex(),
                subject=situation.requests[row].subject,
                at=situation.at,
                model_version=versions.model,
                policy_version=versions.policy,
                arm=PERSONAL_ARM,
                fill=ranking.fill,
                items=items,
                withheld=ranking.withheld,
            )
        )
    return decisions


def _fill(found: int, wanted: int, personal: bool) -> Fill:  # noqa: FBT001 - called once, three lines above
    if found == 0:
        return Fill.NONE
    if found < wanted:
        return Fill.SHORT
    return Fill.PERSONAL if personal else Fill.POPULAR


def _counts(verdicts: dict[str, NDArray[np.bool_]], unscored: NDArray[np.bool_]) -> dict[str, int]:
    counts: dict[str, int] = {}
    left = np.ones_like(unscored)
    for rule, verdict in (*verdicts.items(), ("unscored", unscored)):
        first = int((verdict & left).sum())
        if first:
            counts[rule] = first
        left &= ~verdict
    return counts
