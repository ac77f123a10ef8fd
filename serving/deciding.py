"""Deciding over HTTP is deciding offline, on what the store knows at this moment. It writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from recsys.contracts.decision import Decision, DecisionRequest
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
