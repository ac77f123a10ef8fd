"""The decision: scores, then guards, then the exact top-k of what is allowed, with reasons.

Pure: the same values, the same bytes. Everything comes in as a value: who asks and what is known of them (`Situation`:
requests, histories, states, offers, catalogue, policy, time), what the model says (`ModelScores`), and a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.candidate_map import CandidateMap
from recsys.contracts.decision import Decision, Fill, RankedOffer, Reason
from recsys.explain import Named, Names, most_telling, personal_reasons, popular_reasons, segment_reasons, with_boost
from recsys.fallback import matches, segment_scores
from recsys.guards import Situation
from recsys.history import Histories
from recsys.pooling import Apart, Coverage, apart, coverage, pool, popular
from recsys.ragged import Ragged
from recsys.rank import Ranking, Scores, rank

__all__ = ["ModelScores", "Ranking", "Scores", "Versions", "decide", "offer_scores", "rank"]

Taken = tuple[NDArray[np.int64], NDArray[np.float32]]
Addends = Callable[[NDArray[np.int64], Sequence[NDArray[np.int64]]], Sequence[Taken]]


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
        addends: For N subjects (int64 [N]) and some model items of each (int64 [A], ascending): of each, the history's
            model items, int64 [L], and what they add to each of the scores, float32 [A, L]. None: reasons name no
            purchase.
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
    found = coverage(model.learned, model.candidates, situation.today)
    scores = offer_scores(model, found)
    rankings = rank(situation, scores, seeds)
    reasons = _Reasons.of(situation, model, scores, found, rankings)
    return [
        _decision(situation, row, ranking, reasons.of_list(row, ranking), (seeds[row], versions))
        for row, ranking in enumerate(rankings)
    ]


def offer_scores(model: ModelScores, found: Coverage) -> Scores:
    """The scores of the offers, from those of the model items and what the histories cover."""
    return Scores(
        personal=pool(model.items, found, model.candidates),
        popular=popular(model.popular, model.candidates),
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


@dataclass(frozen=True, slots=True)
class _Reasons:
    """The addends of the listed offers' scores; a boost is one of them.

    Args:
        situation: B subjects before O offers.
        model: What the model says of them.
        scores: Those of the offers, before any boost.
        apart: Of each personal list, what its offers' scores consist of.
        named: Of each personal list, the purchases that may be named for each model item that adds most to a score.
    """

    situation: Situation
    model: ModelScores
    scores: Scores
    apart: Mapping[int, Apart]
    named: Mapping[int, Mapping[int, Named]]

    @classmethod
    def of(
        cls, situation: Situation, model: ModelScores, scores: Scores, found: Coverage, rankings: Sequence[Ranking]
    ) -> _Reasons:
        """Prepare the reasons of these lists."""
        personal = [row for row, ranking in enumerate(rankings) if ranking.source is Fill.PERSONAL]
        lists = Ragged.of(rankings[row].offers for row in personal)
        whose = np.array(personal, np.int64)[lists.owners]
        parts = apart(model.items, found, model.candidates, whose, lists.values)
        of_list = dict(zip(personal, parts.split(lists.offsets), strict=True))
        asked = {row: sorted({item for item in one.best if item >= 0}) for row, one in of_list.items()}
        return cls(situation, model, scores, of_list, _named(model, {row: some for row, some in asked.items() if some}))

    def of_list(self, row: int, ranking: Ranking) -> list[tuple[Reason, ...]]:
        """The reasons of one list, place by place."""
        offers, popular = ranking.offers, self.scores.popular
        if ranking.source is Fill.PERSONAL:
            plain = self.scores.personal[row, offers].tolist()
            own = self._personal(row, offers, plain)
        elif ranking.source is Fill.SEGMENT:
            matched = matches(self.situation.book, self.situation.states[row])
            plain = segment_scores(popular, matched)[offers].tolist()
            matching = zip(plain, matched[offers].tolist(), strict=True)
            own = [segment_reasons(score) if match else popular_reasons(score) for score, match in matching]
        else:
            plain = popular[offers].tolist()
            own = [popular_reasons(score) for score in plain]
        listed = zip(own, ranking.scores.tolist(), plain, strict=True)
        return [with_boost(why, score, before) for why, score, before in listed]

    def _personal(self, row: int, offers: NDArray[np.int64], scores: Sequence[float]) -> list[tuple[Reason, ...]]:
        parts, named = self.apart[row], self.named.get(row, {})
        bought = np.where(self.situation.book.veiled[offers], 0, parts.bought).tolist()
        return [
            personal_reasons(score, addend, [(text, share * taken) for text, taken in named.get(item, ())])
            for score, addend, share, item in zip(scores, bought, parts.other_share.tolist(), parts.best, strict=True)
        ]


def _named(model: ModelScores, asked: Mapping[int, Sequence[int]]) -> dict[int, dict[int, Named]]:
    """For each subject and each model item that is asked for, the purchases that may be named."""
    if model.addends is None or not asked:
        return {}
    taken = model.addends(np.array([*asked], np.int64), [np.array(items, np.int64) for items in asked.values()])
    return {
        row: dict(zip(some, most_telling(items, addends, model.names), strict=True))
        for (row, some), (items, addends) in zip(asked.items(), taken, strict=True)
    }
