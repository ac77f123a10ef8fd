"""One shopper before one offer, written out by hand: what an edge of a guard needs, and no more."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import State
from recsys.guards import GUARDS
from recsys.policy.document import Group, Policy
from support.agreement import judged, situation
from support.tokens import token
from support.worlds import Person, World

NOW = dt.datetime(2020, 2, 29, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
STEP = dt.timedelta(microseconds=1)
DAY = dt.timedelta(days=1)
CONSENTS = frozenset({"profiling", "channel:email"})
AGREED = State(consents=CONSENTS)
GROUPS = {"drill": Group(items=("drill", "old-drill"), name=True), "tools": Group(categories=("tools",), name=True)}


@dataclass(frozen=True)
class Case:
    """What a guard should say, for a policy, purchases (item, days ago) and a state."""

    withheld: bool
    bought: tuple[tuple[str, int], ...] = ()
    returned: tuple[tuple[str, int], ...] = ()
    state: State = AGREED
    now: dt.datetime = NOW


def world(case: Case, **rules: object) -> World:
    """One person before an offer of a drill; the other goods are in the catalogue."""
    lines = [
        (item, TODAY - age * DAY, sign)
        for rows, sign in ((case.bought, 1.0), (case.returned, -1.0))
        for item, age in rows
    ]
    catalogue = pl.DataFrame(
        {
            "item": ["drill", "saw", "other-drill"],
            "category": ["DIY / TOOLS / DRILLS", "DIY / TOOLS / SAWS", "DIY / Tools / Drills"],
            "title": ["Drill", "Saw", "Drill too"],
            "brand": ["Größe", None, None],
        }
    )
    offer = pl.DataFrame({"offer_id": ["o"], "items": [["drill"]], "title": ["Drill"]})
    for column in OFFERS.columns:
        if column.name not in offer.columns:
            offer = offer.with_columns(pl.lit(None, column.dtype).alias(column.name))
    policy = Policy(version=1, sha256="0" * 64, **{"groups": GROUPS, **rules})
    person = Person(tuple(lines), case.state, DecisionRequest(subject=token(1), channel="email"))
    return World(case.now, policy, catalogue, OFFERS.checked(offer, where="offers"), (person,), ((1.0,),), (1.0,))


def check(guard: str, case: Case, **rules: object) -> None:
    """The guard says what the case says; and all guards say what the oracle does."""
    made = world(case, **rules)
    assert bool(GUARDS[guard](situation(made))[0, 0]) is case.withheld
    assert judged(made) == []
