"""A simulation of weeks: the same shoppers, sent lists with and without the rules about how often.

What stands still: the offers (valid throughout), the histories and scores of the first day. What moves: exposures and
redemptions, which fatigue and caps look at; every list is made by `recsys.decide.rank`.

    chance(shopper, showing) = redemptions a week / (sends a week · k) · wear^(times shown in a row without a response)

so that a shopper who is shown something new in every place redeems as often as they really do. An offer is redeemed at
most once, as the real ones are. All arms draw from the same numbers; what is reported is the sum of the chances, which
has less noise than the draws.

The chance knows nothing of how well an offer suits: rules that bring the eightieth best one look too good by it. What
that costs is counted beside it, and is not simulated: showings that cover what the shopper really bought afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.state import Exposure, Response, ResponseKind, State
from recsys.decide import rank
from recsys.evaluation.policy_lab.lab import Lab, categories_of
from recsys.evaluation.policy_lab.variants import certain, without
from recsys.guards import Situation
from recsys.offer_book import OfferBook
from recsys.policy import Policy

WITHOUT: Final = MappingProxyType(
    {
        "neither": ("fatigue", "frequency_cap"),
        "caps only": ("fatigue",),
        "fatigue only": ("frequency_cap",),
        "fatigue and caps": (),
    }
)
_WEEK: Final = 7
_ALWAYS: Final = ("valid_from", "valid_until", "stock")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, and how shoppers respond.

    Args:
        weeks: At least 1.
        sends: A week, at even intervals, the first at 00:00 UTC of the lab's day.
        wear: What each ignored showing in a row does to the chance of the next.
        repeated_after: Ignored showings in a row after which one more is a repeat.
        seed: Of the draws.
    """

    weeks: int
    sends: int
    wear: float
    repeated_after: int
    seed: int


@dataclass(frozen=True, slots=True)
class Shoppers:
    """What is real about S shoppers.

    Args:
        rates: float64 [S], redemptions a week.
        wanted: bool [S, O], offers that cover what they went on to buy; all False where that is not known.
    """

    rates: NDArray[np.float64]
    wanted: NDArray[np.bool_]


@dataclass(slots=True)
class Log:
    """What happened to S shoppers in W weeks, each float64 [S, W]; `different`: [S]. `right`: showings that suited."""

    exposures: NDArray[np.float64]
    repeats: NDArray[np.float64]
    redemptions: NDArray[np.float64]
    right: NDArray[np.float64]
    different: NDArray[np.float64]


def standing(offers: pl.DataFrame) -> pl.DataFrame:
    """The offers as if they were valid throughout and never ran out."""
    return offers.drop(name for name in _ALWAYS if name in offers.columns)


def simulate(lab: Lab, policy: Policy, arm: str, shoppers: Shoppers, plan: Plan) -> Log:
    """Send lists for some weeks.

    Args:
        lab: S shoppers before `standing` offers; nothing of their states is changed.
        policy: With all its rules; `arm` says which to leave out.
        arm: A key of `WITHOUT`.
        shoppers: The S of them.
        plan: See there.
    """
    book = lab.book(certain(without(policy, *WITHOUT[arm])))
    shop = _Shop(lab, book, shoppers, plan)
    for send in range(plan.weeks * plan.sends):
        shop.send(send)
    shop.log.different[:] = (shop.times > 0).sum(axis=1)
    return shop.log


class _Shop:
    """The state of the simulation: what each shopper was shown, and what they did."""

    def __init__(self, lab: Lab, book: OfferBook, shoppers: Shoppers, plan: Plan) -> None:
        shape = (len(lab.subjects), len(book))
        self.lab, self.book, self.plan, self.shoppers = lab, book, plan, shoppers
        self.states: list[State] = list(lab.states)
        self.times = np.zeros(shape, np.int64)  # shown
        self.in_row = np.zeros(shape, np.int64)  # shown since the last response
        self.used = np.zeros(shape, np.bool_)  # redeemed
        weeks = (len(lab.subjects), plan.weeks)
        exposures, repeats, redemptions, right = (np.zeros(weeks) for _ in range(4))
        self.log = Log(exposures, repeats, redemptions, right, different=np.zeros(len(lab.subjects)))
        self._categories = _categories(book)

    def send(self, number: int) -> None:
        """Make everyone's list, show it, and see who redeems what."""
        week, place = divmod(number, self.plan.sends)
        hours = place * _WEEK * 24 // self.plan.sends
        at = self.lab.question.at + dt.timedelta(days=week * _WEEK, hours=hours)
        luck = np.random.default_rng([self.plan.seed, number]).random(self.times.shape)
        start = 0
        parts = zip(self.lab.situations(self.book), self.lab.scores(self.book), strict=True)
        for situation, scores in parts:
            size = len(situation.requests)
            known = tuple(self.states[start : start + size])
            now = Situation(situation.requests, known, situation.histories, self.book, at)
            for row, ranking in enumerate(rank(now, scores), start=start):
                self._show(row, ranking.offers, luck[row, ranking.offers], (week, at))
            start += size

    def _show(
        self, row: int, offers: NDArray[np.int64], luck: NDArray[np.float64], when: tuple[int, dt.datetime]
    ) -> None:
        week, at = when
        fresh = self.shoppers.rates[row] / (self.plan.sends * self.lab.question.count)
        chance = np.where(self.used[row, offers], 0, fresh * self.plan.wear ** self.in_row[row, offers])
        redeemed = offers[luck < chance]
        worn = (self.in_row[row, offers] >= self.plan.repeated_after) | self.used[row, offers]
        self.log.exposures[row, week] += len(offers)
        self.log.repeats[row, week] += worn.sum()
        self.log.redemptions[row, week] += chance.sum()
        self.log.right[row, week] += self.shoppers.wanted[row, offers].sum()
        self.times[row, offers] += 1
        self.in_row[row, offers] += 1
        self.in_row[row, redeemed] = 0
        self.used[row, redeemed] = True
        self.states[row] = self._seen(self.states[row], offers, redeemed, at)

    def _seen(self, state: State, offers: NDArray[np.int64], redeemed: NDArray[np.int64], at: dt.datetime) -> State:
        ids, channel = self.book.ids, self.lab.question.channel
        shown = tuple(
            Exposure(offer_id=ids[offer], at=at, channel=channel, categories=self._categories[offer])
            for offer in offers.tolist()
        )
        answers = tuple(
            Response(offer_id=ids[offer], at=at, kind=ResponseKind.REDEMPTION) for offer in redeemed.tolist()
        )
        return msgspec.structs.replace(state, exposures=state.exposures + shown, responses=state.responses + answers)


def _categories(book: OfferBook) -> Sequence[tuple[str, ...]]:
    """The category paths of each offer, as they stand in an exposure."""
    placed = categories_of(book)
    names = book.index.names
    rows = (book.items.row(offer).tolist() for offer in range(len(book)))
    return [tuple(sorted({placed[names[item]] for item in row if names[item] in placed})) for row in rows]
