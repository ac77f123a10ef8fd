"""Generated worlds: a policy, a catalogue, offers, histories and states, small enough for plain loops."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl
from hypothesis import strategies as st

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import SensitivePurchase, State
from recsys.policy.document import Group, OnlyIfPurchased, Policy, Scope, UnknownCategory
from support.tokens import token

NOW = dt.datetime(2017, 11, 27, 9, 30, tzinfo=dt.UTC)
ITEMS = [f"i{number}" for number in range(8)]
PATHS = ["FOOD / WINE / RED", "FOOD / WINE / WHITE", "FOOD / MILK / FLUID", "DRUG / TESTS / KITS", None]
CATEGORIES = ["WINE", "FOOD / WINE / RED", "MILK", "KITS", "nowhere"]


@dataclass(frozen=True)
class World:
    """Everything that one generated decision is made of. Lines: (item, age in days, quantity)."""

    policy: Policy
    catalogue: pl.DataFrame
    offers: pl.DataFrame
    lines: list[tuple[str, int, float]]
    state: State
    request: DecisionRequest
    scores: list[float]
    popular: list[float]


GROUP = st.builds(
    lambda categories, items: Group(categories=tuple(categories), items=tuple(items)),
    st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=2),
    st.lists(st.sampled_from([*ITEMS, "gone"]), max_size=1),
)
RULE = st.builds(
    OnlyIfPurchased,
    groups=st.lists(st.sampled_from(["g0", "g1", "g2"]), min_size=1, max_size=2, unique=True).map(tuple),
    min_days=st.integers(1, 3),
    within_days=st.sampled_from([1, 7, 30]),
    level=st.sampled_from(list(Scope)),
)
POLICY = st.builds(
    Policy,
    version=st.just(1),
    sha256=st.just("0" * 64),
    unknown_category=st.sampled_from(list(UnknownCategory)),
    groups=st.fixed_dictionaries(dict.fromkeys(("g0", "g1", "g2"), GROUP)),
    never=st.lists(st.sampled_from(["g0", "g1", "g2"]), max_size=1).map(tuple),
    only_if_purchased=st.lists(RULE, max_size=3).map(tuple),
)
INSTANT = st.none() | st.sampled_from([-1, 0, 1]).map(lambda step: NOW + dt.timedelta(microseconds=step))
SCORE = st.sampled_from([0.0, 0.5, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 3.25])


@st.composite
def offers(draw: st.DrawFn) -> pl.DataFrame:
    count = draw(st.integers(1, 6))
    rows = [
        {
            "offer_id": f"o{number}",
            "items": draw(st.lists(st.sampled_from([*ITEMS, "gone"]), min_size=1, max_size=3)),
            "title": f"Offer {number}",
            "valid_from": draw(INSTANT),
            "valid_until": draw(INSTANT),
            "channels": draw(st.none() | st.lists(st.sampled_from(["email", "till"]), max_size=2)),
            "placements": draw(st.none() | st.lists(st.sampled_from(["top"]), max_size=1)),
            "stock": draw(st.none() | st.sampled_from([0, 3])),
            "priority": draw(st.none() | st.sampled_from([0, 1])),
        }
        for number in range(count)
    ]
    types = {column.name: column.dtype for column in OFFERS.columns}
    return OFFERS.checked(pl.DataFrame(rows, schema={name: types[name] for name in rows[0]}), where="offers")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    made = draw(offers())
    catalogue = pl.DataFrame(
        {
            "item": ITEMS,
            "category": [draw(st.sampled_from(PATHS)) for _ in ITEMS],
            "title": [f"Title {item}" for item in ITEMS],
        },
        schema_overrides={"category": pl.String},
    )
    age = st.sampled_from([-1, 0, 1, 2, 6, 7, 8, 29, 30, 31])
    state = State(
        consents=draw(st.frozensets(st.sampled_from(["profiling", "training", "channel:email", "channel:till"]))),
        sensitive_purchases=tuple(
            SensitivePurchase(item=item, day=(NOW - dt.timedelta(days)).date(), quantity=quantity)
            for item, days, quantity in draw(
                st.lists(
                    st.tuples(st.sampled_from([*ITEMS, "gone"]), age, st.sampled_from([0.0, 1.0])),
                    max_size=3,
                )
            )
        ),
    )
    request = DecisionRequest(
        subject=token("somebody"),
        channel=draw(st.sampled_from(["email", "till", "app"])),
        placement=draw(st.none() | st.just("top")),
        count=draw(st.integers(1, 7)),
        exclude=tuple(draw(st.lists(st.sampled_from(["o0", "o1", "never-seen"]), max_size=2))),
    )
    quantity = st.sampled_from([1.0, 2.0, -1.0])
    lines = draw(st.lists(st.tuples(st.sampled_from([*ITEMS, "gone"]), age, quantity), max_size=12))
    scores = [draw(SCORE) for _ in range(len(made))]
    return World(draw(POLICY), catalogue, made, lines, state, request, scores, [draw(SCORE) for _ in scores])
