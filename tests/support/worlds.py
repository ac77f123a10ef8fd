"""Generated worlds: people, offers, a catalogue, a policy and an instant, with all that is awkward about them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.offers import OFFERS
from recsys.contracts.state import State
from recsys.policy.document import Policy
from support.dice import CHOICES, Dice, Drawn, Seeded, chance, pick, some
from support.policies import DELISTED, GONE, make_policy
from support.states import BRANDS, day_near, make_state, near
from support.tokens import token

_UTC_NOWS = (
    dt.datetime(2017, 11, 27, 9, 30, tzinfo=dt.UTC),
    dt.datetime(2016, 2, 29, tzinfo=dt.UTC),  # the first instant of a leap day
    dt.datetime(2020, 3, 1, 23, 59, 59, 999999, tzinfo=dt.UTC),  # the last one after another
    dt.datetime(2017, 3, 26, 0, 59, 59, tzinfo=dt.UTC),  # Berlin is about to lose an hour
    dt.datetime(2017, 10, 29, 1, 0, tzinfo=dt.UTC),  # and here it has had one twice
    dt.datetime(2018, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
)
_ZONES = (dt.UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), dt.timezone(dt.timedelta(hours=14)))
NOWS = tuple(now.astimezone(zone) for zone in _ZONES for now in _UTC_NOWS)
ITEMS = ("i0", "WINE", *(f"i{number}" for number in range(2, 60)))  # one is called like a category
PATHS = (
    *("FOOD / WINE / RED", "FOOD / WINE / WHITE", "FOOD / MILK / FLUID", "DRUG / TESTS / KITS", None, "WINE", "ALONE"),
    *("Food / Wine /  Red", "DRINKS / BEERS/ALES / LAGER / DARK", "Straße / Säfte", "FOOD / WINE", None),
)
_HUGE = 2.0**100
_NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
_FINITE = (0.0, 0.5, 1.0, -1.0, 3.25, 0.125, 2.0, -0.5, 0.75, 1.25, -0.0, _HUGE, -_HUGE)


@dataclass(frozen=True)
class Person:
    """One subject of a world. Lines of receipts: (item, day, quantity)."""

    lines: tuple[tuple[str, dt.date, float], ...]
    state: State
    request: DecisionRequest

    @property
    def subject(self) -> str:
        """The token."""
        return self.request.subject

    def with_state(self, **changes: object) -> Person:
        """The same person of whom something else is known."""
        kept = {name: getattr(self.state, name) for name in self.state.__struct_fields__}
        return replace(self, state=State(**{**kept, **changes}))


@dataclass(frozen=True)
class World:
    """Everything that some decisions at one instant are made of; scores are [people][offers] and [offers]."""

    now: dt.datetime
    policy: Policy
    catalogue: pl.DataFrame
    offers: pl.DataFrame
    people: tuple[Person, ...]
    scores: tuple[tuple[float, ...], ...]
    popular: tuple[float, ...]

    def with_policy(self, policy: Policy) -> World:
        """The same world under other rules."""
        return replace(self, policy=policy)

    def with_people(self, people: tuple[Person, ...]) -> World:
        """The same world with other people."""
        return replace(self, people=people)


@dataclass(frozen=True)
class Size:
    """The most of everything."""

    people: int
    offers: int
    items: int
    lines: int


SMALL = Size(people=2, offers=6, items=8, lines=10)
LARGE = Size(people=20, offers=40, items=30, lines=40)


def worlds(size: Size = SMALL) -> st.SearchStrategy[World]:
    """Worlds that Hypothesis may shrink."""
    return CHOICES.map(lambda choices: make_world(Drawn(choices), size))


def seeded_world(seed: int, size: Size = LARGE) -> World:
    """The world of a seed."""
    return make_world(Seeded(seed), size)


def make_world(dice: Dice, size: Size) -> World:
    """Make a world of at most this size."""
    now, items = pick(dice, NOWS), ITEMS[: size.items]
    catalogue = _catalogue(dice, items)
    offers = _offers(dice, items, size, now)
    offer_ids = tuple(offers["offer_id"])
    policy = make_policy(dice, items, offer_ids)
    names = (items, offer_ids, size, now, pick(dice, (8, 100, 2, 4)))
    people = tuple(_person(dice, number, *names) for number in range(1 + dice.below(size.people)))
    scores = tuple(_scores(dice, len(offers)) for _ in people)
    return World(now, policy, catalogue, offers, people, scores, _scores(dice, len(offers)))


def purchases(world: World) -> pl.DataFrame:
    """The receipts of everyone, in the purchases contract."""
    rows = [(person.subject, *line) for person in world.people for line in person.lines]
    schema = {"subject": pl.String, "item": pl.String, "day": pl.Date, "quantity": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _catalogue(dice: Dice, items: tuple[str, ...]) -> pl.DataFrame:
    rows = [(item, pick(dice, PATHS), f"Title {item}", pick(dice, BRANDS)) for item in items]
    schema = {"item": pl.String, "category": pl.String, "title": pl.String, "brand": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _offers(dice: Dice, items: tuple[str, ...], size: Size, now: dt.datetime) -> pl.DataFrame:
    rows = [
        {
            "offer_id": f"o{number}",
            "campaign": pick(dice, (None, "spring", "fall")),
            "items": list(some(dice, (*items, *items, GONE), 3, least=1)),
            "title": f"Offer {number}",
            "valid_from": near(dice, now).astimezone(dt.UTC) if chance(dice, 1) else None,
            "valid_until": near(dice, now).astimezone(dt.UTC) if chance(dice, 1) else None,
            "channels": list(some(dice, ("email", "till"), 2)) if chance(dice, 1) else None,
            "placements": list(some(dice, ("top",), 1)) if chance(dice, 1) else None,
            "stock": pick(dice, (None, 3, 1, 0)) if chance(dice, 2) else None,
            "value": pick(dice, (None, 1.0, 0.25, -2.0)),
            "priority": pick(dice, (None, 0, 1, -1)),
        }
        for number in range(1 + dice.below(size.offers))
    ]
    types = {column.name: column.dtype for column in OFFERS.columns}
    return OFFERS.checked(pl.DataFrame(rows, schema={name: types[name] for name in rows[0]}), where="offers")


def _person(  # noqa: PLR0913, PLR0917 - everything that a person is made of
    dice: Dice,
    number: int,
    items: tuple[str, ...],
    offer_ids: tuple[str, ...],
    size: Size,
    now: dt.datetime,
    most: int,
) -> Person:
    lines = [
        (pick(dice, (*items, GONE, DELISTED)), day_near(dice, now), pick(dice, (1.0, 2.0, 1.0, -1.0)))
        for _ in range(dice.below(size.lines))
    ]
    request = DecisionRequest(
        subject=token(f"{dice.below(64)}-{number}"),
        channel=pick(dice, (*("email",) * 12, *("till",) * 3, "app")),
        placement=pick(dice, (None, "top")),
        count=1 + dice.below(most),
        exclude=some(dice, (*offer_ids, "never-seen"), 2) if chance(dice, 3) else (),
    )
    return Person(tuple(lines), make_state(dice, now, items, offer_ids), request)


def _scores(dice: Dice, count: int) -> tuple[float, ...]:
    """Mostly finite, sometimes hardly, sometimes all the same, with many ties: all exact in single precision."""
    kind = pick(dice, ("finite", "finite", "finite", "mixed", "mixed", "equal", "equal", "nothing"))
    if kind == "equal":
        return (pick(dice, _FINITE),) * count
    options = {"finite": _FINITE, "mixed": (*_FINITE[:6], *_NOT_FINITE), "nothing": _NOT_FINITE}[kind]
    return tuple(pick(dice, options) for _ in range(count))
