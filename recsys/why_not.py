"""Why not: for one subject and one offer, the first and all rules that withheld it, or the place that it has."""

from __future__ import annotations

import dataclasses
from typing import Final

import msgspec
import numpy as np

from recsys.decide import ModelScores, offer_scores
from recsys.errors import ContractError
from recsys.guards import GUARDS, Situation
from recsys.policy.document import Exploration
from recsys.pooling import coverage
from recsys.rank import UNNAMED, UNSCORED, judge, rank, scores_used, unnamed

_OUTRANKED: Final = "outranked"  # allowed, scored, and others were better

SENTENCES: Final = {
    "consent": "the person did not agree to this channel",
    "holdout": "the person is in the arm that gets no offers",
    "eligibility": "it is not valid now, not for this channel or placement, out of stock, or excluded",
    "unknown_category": "the catalogue cannot place one of its items",
    "never": "it holds something that is offered to nobody",
    "age": "it holds something for adults, and the person was not verified to be one",
    "only_if_purchased": "it holds something that goes only to those who buy it, often and recently enough",
    "past_purchase_trap": "something in it was bought too few times, or too long ago by its own rhythm",
    "cool_down": "something in it was just bought",
    "dismissal": "the person said no to it, to something in it, or to its category or brand",
    "fatigue": "it was shown several times without a response, and rests",
    UNNAMED: "it holds something that is not named, and so is in no list of what everyone buys",
    UNSCORED: "neither the model nor the history knows anything of it",
    "frequency_cap": "it, or its like, was shown as often as it may be",
    "diversity": "enough of its kind stand in the list above it",
    _OUTRANKED: "others score higher",
}


class WhyNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The answer. Tells what a person does not buy, so only for callers with the right to explanations.

    `withheld_by`: every guard that withheld the offer, the first one first, and "unnamed"; or "unscored"; or the list
    constraint that kept it out; or "outranked". Empty where the offer stands in the list, at `rank`.
    """

    offer_id: str
    withheld_by: tuple[str, ...] = ()
    rank: int | None = None
    score: float | None = None


def why_not(situation: Situation, model: ModelScores, offer_id: str) -> WhyNot:
    """Answer for the first subject of `situation`. With exploration, for the list without it.

    Raises:
        ContractError: There is no such offer.
    """
    offer = situation.book.positions.get(offer_id)
    if offer is None:
        raise ContractError("there is no such offer", where="offer", mend="Name an offer_id of the offers file")
    guards = tuple(rule for rule, guard in GUARDS.items() if guard(situation)[0, offer])
    certain = _without_chance(situation)
    scores = offer_scores(model, coverage(model.learned, model.candidates, certain.today))
    used, sources = scores_used(certain, scores, judge(certain).allowed)
    if unnamed(certain, sources)[0, offer]:
        guards = (*guards, UNNAMED)
    if guards:
        return WhyNot(offer_id=offer_id, withheld_by=guards)
    if not np.isfinite(used[0, offer]):
        return WhyNot(offer_id=offer_id, withheld_by=(UNSCORED,))
    (ranking,) = rank(certain, scores)
    place = np.flatnonzero(ranking.offers == offer)
    score = float(used[0, offer])
    if len(place):
        return WhyNot(offer_id=offer_id, rank=int(place[0]) + 1, score=score)
    return WhyNot(offer_id=offer_id, withheld_by=(ranking.skipped.get(offer, _OUTRANKED),), score=score)


def _without_chance(situation: Situation) -> Situation:
    policy = msgspec.structs.replace(situation.book.policy, exploration=Exploration())
    return dataclasses.replace(situation, book=dataclasses.replace(situation.book, policy=policy))
