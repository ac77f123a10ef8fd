"""A shop as small as a question needs it: a few goods, an offer or two, people of whom only a state is known."""

from __future__ import annotations

import datetime as dt

import polars as pl

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import State
from recsys.guards import Situation
from recsys.history import Histories
from recsys.offer_book import open_offer_book
from recsys.policy.document import Policy
from support.tokens import token

NOW = dt.datetime(2017, 11, 27, 9, tzinfo=dt.UTC)
AGREED = State(consents=frozenset({"profiling", "channel:email"}))


def goods(**categories: str) -> pl.DataFrame:
    """A catalogue: each item with its category."""
    return pl.DataFrame({"item": list(categories), "category": list(categories.values()), "title": list(categories)})


def policy_of(**rules: object) -> Policy:
    """A policy of these rules."""
    return Policy(version=1, sha256="0" * 64, **rules)


def shop(policy: Policy, catalogue: pl.DataFrame, offers: list[list[str]], *states: State, **more: object) -> Situation:
    """Offers o0, o1, … of these items, with `more` columns, before people with these states and no history."""
    ids = [f"o{n}" for n in range(len(offers))]
    frame = pl.DataFrame({"offer_id": ids, "items": offers, "title": ids, **more})
    book = open_offer_book(OFFERS.checked(frame, where="offers"), catalogue, policy)
    tokens = [token(n) for n in range(len(states))]
    asked = [DecisionRequest(subject=subject, channel="email") for subject in tokens]
    return Situation(asked, list(states), Histories.empty(tokens), book, NOW)
