"""The decision: scores, then guards, then the exact top-k of what is allowed, with reasons.

Pure: the same values, the same bytes. Everything comes in as a value: who asks and what is known of them (`Situation`:
requests, histories, states, offers, catalogue, policy, time), what the model says (`ModelScores`), and a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.decision import Decision, Fill, RankedOffer, Reason
from recsys.explain import Names, personal_reasons, popular_reasons, segment_reasons, with_boost
from recsys.fallback import matches, segment_scores
from recsys.guards import Situation
from recsys.history import Histories
from recsys.pooling import CandidateMap, coverage, pool
from recsys.rank import Ranking, Scores, rank

__all__ = ["ModelScores", "Ranking", "Scores", "Versions", "decide", "offer_scores", "rank"]

Addends = Callable[[int, NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """What the model says of B subjects.

    Args:
        candidates: C model items, and which offers consist of them.
        items: float32 [B, C], their scores.
        popular: float32 [C], their popularity; -inf where too few bought them.
        known: bool [B], whose history the model can use.
        learned: What of the histories the scorer saw; coverage is counted from it.
        names: What may be called by name in a reason.
        addends: For a subject and some model items (int64 [A], ascending): the history's model items, int64 [L], and
            what each adds to each of the scores, float32 [A, L]. None: reasons name no purchase.
    """

    candidates: CandidateMap
    items: NDArray[np.float32]
    popular: NDArray[np.float32]
    known: NDArray[np.bool_]
    learned: Histories
    names: Names
    addends: Addends | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """What decided: stands in every decision."""

    model: str
    policy: str


def decide(situation: Situation, model: ModelScores, versions: Versions, rng: np.random.Generator) -> list[Decision]:
    """Decide for B subjects at once, as each alone.

    Args:
        situation: B subjects before O offers.
        model: What the model says of them.
        versions: What decided.
        rng: Names the decisions: 16 bytes each, which also seed what the policy leaves to chance.
    """
    seeds = [rng.bytes(16) for _ in situation.requests]
    covered = coverage(situation, model.learned, model.candidates)
    scores = offer_scores(model, covered)
    rankings = rank(situation, scores, seeds)
    scored = (scores, covered)
    return [
        _decision(situation, row, ranking, _reasons(situation, row, ranking, model, scored), (seeds[row], versions))
        for row, ranking in enumerate(rankings)
    ]


def offer_scores(model: ModelScores, covered: NDArray[np.float32]) -> Scores:
    """The scores of the offers, from those of the model items and the histories' coverage of the offers [B, O]."""
    return Scores(
        personal=pool(model.items, covered, model.candidates.of_offer),
        popular=model.candidates.of_offer.max_of(model.popular),
        known=model.known,
    )


def _decision(
    situation: Situation,
    row: int,
    ranking: Ranking,
    reasons: Sequence[tuple[Reason, ...]],
    made: tuple[bytes, Versions],
) -> Decision:
    name, versions = made
    items = tuple(
        RankedOffer(offer_id=situation.book.ids[offer], rank=place, score=score, propensity=propensity, reasons=why)
        for place, offer, score, propensity, why in zip(
            range(1, len(ranking.offers) + 1),
            ranking.offers.tolist(),
            ranking.scores.tolist(),
            ranking.propensities.tolist(),
            reasons,
            strict=True,
        )
    )
    return Decision(
        decision_id=name.hex(),
        subject=situation.requests[row].subject,
        at=situation.at,
        model_version=versions.model,
        policy_version=versions.policy,
        arm=ranking.arm.value,
        fill=ranking.fill,
        items=items,
        withheld=ranking.withheld,
    )


def _reasons(
    situation: Situation, row: int, ranking: Ranking, model: ModelScores, scored: tuple[Scores, NDArray[np.float32]]
) -> list[tuple[Reason, ...]]:
    """The addends of each listed offer's score; a boost is one of them."""
    scores, covered = scored
    offers = ranking.offers
    if ranking.source is Fill.PERSONAL:
        plain = scores.personal[row, offers]
        own = _personal_reasons(row, offers, model, (plain, covered[row, offers], situation.book.unnamed[offers]))
    elif ranking.source is Fill.SEGMENT:
        matched = matches(situation.book, situation.states[row])
        plain = segment_scores(scores.popular, matched)[offers]
        own = [segment_reasons(s) if matched[offer] else popular_reasons(s) for offer, s in _pairs(offers, plain)]
    else:
        plain = scores.popular[offers]
        own = [popular_reasons(score) for score in plain.tolist()]
    return [
        with_boost(why, score, before)
        for why, score, before in zip(own, ranking.scores.tolist(), plain.tolist(), strict=True)
    ]


def _personal_reasons(
    row: int,
    offers: NDArray[np.int64],
    model: ModelScores,
    scored: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]],
) -> list[tuple[Reason, ...]]:
    best = [_best_item(offer, model.items[row], model.candidates) for offer in offers.tolist()]
    asked = np.array(sorted({item for item in best if item is not None}), np.int64)
    items, addends = np.empty(0, np.int64), np.empty((len(asked), 0), np.float32)
    if model.addends is not None and len(asked):
        items, addends = model.addends(row, asked)
    nothing = np.zeros(len(items), np.float32)
    return [
        personal_reasons(
            (score, covered, not unnamed),
            items,
            nothing if item is None else addends[np.searchsorted(asked, item)],
            model.names,
        )
        for item, score, covered, unnamed in zip(best, *(values.tolist() for values in scored), strict=True)
    ]


def _best_item(offer: int, scores: NDArray[np.float32], candidates: CandidateMap) -> int | None:
    """The model item that gave the offer its score, None where the model knows none of its items."""
    positions = candidates.of_offer.row(offer)
    return int(candidates.candidates[positions[np.argmax(scores[positions])]]) if len(positions) else None


def _pairs(offers: NDArray[np.int64], scores: NDArray[np.float32]) -> zip[tuple[int, float]]:
    return zip(offers.tolist(), scores.tolist(), strict=True)
