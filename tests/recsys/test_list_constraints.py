"""List constraints, one question at a time; worlds of every kind are in test_guards.py."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs
from support.counter import AGREED, NOW, goods, policy_of, shop

from recsys.contracts.state import Exposure, Reservation, State
from recsys.guards import Situation
from recsys.policy.document import Cap, CapScope, Diversity
from recsys.rank import Ranking, Scores, rank

HOUR = dt.timedelta(hours=1)
GOODS = goods(a="A / X", b="B / X", c="A / Y")
OFFERS = [["a"], ["b"], ["c"]]


def listed(now: Situation, count: int = 10, popular: tuple[float, ...] = (1, 1, 1)) -> Ranking:
    """The first subject's list; all scores are equal."""
    asked = [structs.replace(request, count=count) for request in now.requests]
    shape = (len(asked), len(now.book))
    scores = Scores(np.ones(shape, np.float32), np.array(popular, np.float32), np.ones(len(asked), np.bool_))
    return rank(replace(now, requests=asked), scores)[0]


def shown(offer: str, *categories: str, ago: dt.timedelta = HOUR / 2) -> Exposure:
    return Exposure(offer_id=offer, at=NOW - ago, channel="email", categories=categories)


def reserved(offer: str, left: dt.timedelta) -> Reservation:
    at, expires = NOW - 9 * HOUR, NOW + left
    return Reservation(offer_id=offer, at=at, expires=expires, channel="email", categories=("A / X",))


def knowing(*, exposures: tuple[Exposure, ...] = (), reservations: tuple[Reservation, ...] = ()) -> State:
    return structs.replace(AGREED, exposures=exposures, reservations=reservations)


@pytest.mark.parametrize("rule", ["cap", "diversity"])
def test_a_list_is_bound_though_nothing_was_shown(rule: str) -> None:
    rules = {"cap": Cap(per=CapScope.CATEGORY, max=1, hours=1, depth=1), "diversity": Diversity(max=1, depth=1)}
    ranking = listed(shop(policy_of(**{rule: (rules[rule],)}), GOODS, OFFERS, AGREED))
    assert ranking.offers.tolist() == [0, 1]
    assert sum(ranking.withheld.values()) == 1


@pytest.mark.parametrize(("left", "offers"), [(HOUR, [1, 2]), (dt.timedelta(0), [0, 1, 2])])
def test_a_reservation_alone_counts_until_it_expires(left: dt.timedelta, offers: list[int]) -> None:
    state = knowing(reservations=(reserved("o0", left),))
    now = shop(policy_of(cap=(Cap(per=CapScope.OFFER, max=1, hours=1),)), GOODS, OFFERS, state)
    assert listed(now).offers.tolist() == offers


@pytest.mark.parametrize("order", [1, -1])
def test_the_key_that_is_used_most_decides_whether_a_cap_matters(order: int) -> None:
    exposures = (shown("x", "A"), shown("y", "A / Z"), shown("z", "B"))[::order]
    now = shop(
        policy_of(cap=(Cap(per=CapScope.CATEGORY, max=2, hours=1, depth=1),)),
        GOODS,
        OFFERS,
        knowing(exposures=exposures),
    )
    assert listed(now, count=1).offers.tolist() == [1]
    assert listed(now, count=3).withheld == {"frequency_cap": 2}


def test_the_window_is_half_open_and_what_carries_two_paths_of_a_kind_counts_once() -> None:
    policy = policy_of(cap=(Cap(per=CapScope.CATEGORY, max=2, hours=1, depth=1),))
    for exposures, expected in (
        ((shown("x", "A / X", "A / Y"),), [0, 1]),
        ((shown("x", "A", ago=HOUR), shown("y", "A", ago=HOUR)), [0, 1, 2]),
        ((shown("x", "A", ago=HOUR / 2), shown("y", "A", ago=-HOUR)), [0, 1]),
        ((shown("x", "A", ago=0 * HOUR), shown("y", "A")), [1]),
    ):
        assert listed(shop(policy, GOODS, OFFERS, knowing(exposures=exposures))).offers.tolist() == expected


def test_of_two_caps_on_the_same_things_the_one_that_is_full_first_binds() -> None:
    caps = tuple(Cap(per=CapScope.OVERALL, max=most, hours=hours) for most, hours in ((3, 24), (2, 1)))
    exposures = (shown("x", ago=2 * HOUR), shown("y", ago=3 * HOUR))
    assert len(listed(shop(policy_of(cap=caps), GOODS, OFFERS, knowing(exposures=exposures))).offers) == 1
    assert len(listed(shop(policy_of(cap=caps), GOODS, OFFERS, AGREED)).offers) == 2


def test_an_interest_in_what_nobody_buys_makes_no_segment() -> None:
    state = structs.replace(AGREED, consents=frozenset({"channel:email"}), interests=("b",))
    now = shop(policy_of(), GOODS, OFFERS, state)
    assert listed(now, count=2).source == "segment"
    assert listed(now, count=2, popular=(1, -np.inf, 1)).source == "popular"


def test_what_everybody_gets_repeats_no_interest() -> None:
    state = structs.replace(AGREED, interests=("b",), arm="popular")
    now = shop(policy_of(), GOODS, OFFERS, state)
    assert (listed(now).source, listed(now).scores.tolist()) == ("popular", [1, 1, 1])


@pytest.mark.parametrize("order", [1, -1])
def test_of_caps_with_several_windows_each_binds(order: int) -> None:
    """Once an hour, three times a day; five times in twelve hours says nothing more."""
    steps = ((1, 1), (3, 24), (5, 12))[::order]
    caps = tuple(Cap(per=CapScope.CATEGORY, max=most, hours=hours, depth=1) for most, hours in steps)
    offers = [["a"], ["c"], ["a"], ["c"], ["b"]]
    for ago, room in (((5,), 1), ((5, 20), 1), ((5, 13, 20), 0), ((5, 13, 25), 1), ((0.5,), 0)):
        exposures = tuple(shown("x", "A", ago=hours * HOUR) for hours in ago)
        ranking = listed(shop(policy_of(cap=caps), GOODS, offers, knowing(exposures=exposures)), popular=(1,) * 5)
        assert ranking.offers.tolist() == [*range(room), 4], ago
