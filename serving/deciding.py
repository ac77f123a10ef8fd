"""Deciding over HTTP is deciding offline, on what the store knows at this moment. It writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.contracts.subjects import Purpose, channel_purpose
from recsys.history import Histories, day_number
from recsys.recommender import Recommender
from serving.stores import Store


@dataclass(frozen=True, slots=True)
class Decider:
    """Reads the store and asks the recommender.

    Args:
        recommender: The bundle, the offers and the policy.
        store: What is known of people.
        rng: Names the decisions.
        explain: Whether decisions say how many offers which rule withheld. That tells what a person does not buy.
    """

    recommender: Recommender
    store: Store
    rng: np.random.Generator
    explain: bool

    def warm_up(self, at: dt.datetime) -> None:
        """Decide once for nobody, with a history of one purchase: the first decision sets the runtime up."""
        nobody, book = "nobody", self.recommender.book
        item, day = np.zeros(1, np.int32), np.array([day_number(at.date())], np.int32)
        history = Histories((nobody,), np.array([0, 1]), item, day, np.ones(1, np.float32), np.ones(1, np.int32))
        channel = "warm-up"
        state = State(consents=frozenset({Purpose.PROFILING, channel_purpose(channel)}))
        request = DecisionRequest(subject=nobody, channel=channel)
        if len(book.index):
            self.recommender.decide([request], history, [state], at=at, rng=np.random.default_rng(0))

    def decide(self, requests: Sequence[DecisionRequest], at: dt.datetime) -> list[Decision]:
        """One decision for each request.

        Raises:
            StoreError: The store does not answer: no consent is known, and so nothing goes out.
        """
        known = self.store.read([request.subject for request in requests], self.recommender.book.index)
        decisions = self.recommender.decide(requests, known.histories, known.states, at=at, rng=self.rng)
        if self.explain:
            return decisions
        return [msgspec.structs.replace(decision, withheld=None) for decision in decisions]
