"""Deciding for a whole population, as serving decides for one."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.evaluation.population import Population
from recsys.recommender import Recommender
from recsys.two_bundles import TwoBundles

_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for everyone.

    Args:
        channel: Where the offers are to go.
        count: How many.
        placement: Where on the channel.
        day: Nothing dated on or after it counts; it is decided at its first instant, in UTC.
    """

    channel: str
    count: int
    placement: str | None
    day: dt.date

    @property
    def at(self) -> dt.datetime:
        """The instant of the decisions."""
        return dt.datetime.combine(self.day, dt.time(0), dt.UTC)

    def request(self, subject: str) -> DecisionRequest:
        """The question for one subject."""
        return DecisionRequest(subject=subject, channel=self.channel, placement=self.placement, count=self.count)


@dataclass(slots=True)
class Totals:
    """What became of the decisions, summed over everyone: no single person can be read from it.

    Args:
        subjects: How many decisions.
        offers: How many places in all lists.
        fill: Decisions by fill.
        arm: Decisions by arm.
        withheld: Offers by the first rule that withheld them.
    """

    subjects: int = 0
    offers: int = 0
    fill: Counter[str] = field(default_factory=Counter)
    arm: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)

    def counting(self, decisions: Iterable[Decision]) -> Iterator[Decision]:
        """Pass the decisions on, and count them."""
        for decision in decisions:
            self.subjects += 1
            self.offers += len(decision.items)
            self.fill[decision.fill.value] += 1
            self.arm[decision.arm] += 1
            self.withheld.update(decision.withheld or {})
            yield decision


def decide_everyone(
    recommender: Recommender | TwoBundles, population: Population, question: Question, *, seed: int
) -> Iterator[Decision]:
    """One decision for each subject, in the order of the tokens.

    Args:
        recommender: Bundle or bundles, offers and policy.
        population: Who there is.
        question: What is asked.
        seed: Names the decisions, and seeds what the policy leaves to chance.
    """
    rng = np.random.default_rng(seed)
    everyone = population.histories(recommender.book.index, until=question.day, subjects=population.subjects)
    for part in everyone.batches(_BATCH):
        yield from recommender.decide(
            [question.request(subject) for subject in part.subjects],
            part,
            [population.state(subject) for subject in part.subjects],
            at=question.at,
            rng=rng,
        )
