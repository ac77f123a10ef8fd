"""The edges, written out by hand: neither the guards nor the oracle are asked what they think of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from support.agreement import judged, rankings, situation
from support.counter import goods, policy_of, shop
from support.edges import AGREED, CONSENTS, DAY, GROUPS, NOW, STEP, TODAY, Case, check, world

from recsys.contracts.state import (
    Dismissal,
    DismissalScope,
    Exposure,
    Response,
    ResponseKind,
    SensitivePurchase,
    State,
)
from recsys.guards import GUARDS
from recsys.policy.document import (
    Cap,
    CapScope,
    CoolDown,
    Fatigue,
    Group,
    OnlyIfPurchased,
    PastPurchaseTrap,
    Scope,
)


@pytest.mark.parametrize(
    "case",
    [
        Case(withheld=True),
        Case(withheld=True, bought=(("drill", -1),)),  # tomorrow has not happened yet
        Case(withheld=False, bought=(("drill", 0),)),
        Case(withheld=False, bought=(("drill", 366),)),  # 28 February of the year before, over a leap day
        Case(withheld=True, bought=(("drill", 367),)),
        Case(withheld=True, bought=(("drill", 3),), returned=(("drill", 1),)),
        Case(withheld=False, bought=(("drill", 3),), returned=(("drill", 5),)),  # nothing was there to be returned
        Case(withheld=True, bought=(("drill", 3),), state=State(consents=frozenset({"channel:email"}))),
        # Half past midnight in Berlin is still yesterday in UTC: bought "today" there is tomorrow here.
        Case(
            withheld=True,
            bought=(("drill", 0),),
            now=dt.datetime(2020, 2, 29, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        ),
    ],
)
def test_only_if_purchased(case: Case) -> None:
    rule = OnlyIfPurchased(groups=("drill",), min_days=1, within_days=366)
    check("only_if_purchased", case, only_if_purchased=(rule,))


@pytest.mark.parametrize(
    "case",
    [
        Case(withheld=False),
        Case(withheld=True, bought=(("drill", 1),)),  # once: a gift
        Case(withheld=True, bought=(("drill", 1), ("drill", 1))),  # twice on one day is once
        Case(withheld=False, bought=(("drill", 30), ("drill", 40))),  # every 10 days, 30 days ago: not yet too long
        Case(withheld=True, bought=(("drill", 31), ("drill", 41))),
        Case(withheld=False, bought=(("drill", 10), ("drill", 11), ("drill", 20))),  # mean of 1 and 9 is 5, ...
        Case(withheld=False, bought=(("drill", 15), ("drill", 16), ("drill", 25))),  # ... three of which are 15 days
        Case(withheld=True, bought=(("drill", 16), ("drill", 17), ("drill", 26))),
        Case(withheld=False, bought=(("other-drill", 1), ("drill", 5))),  # a category counts together
        Case(withheld=False, bought=(("saw", 1),)),  # and not with another
        Case(withheld=False, bought=(("drill", 1),), returned=(("drill", 0),)),  # never bought after all
        Case(withheld=True, bought=(("drill", 1),), state=State(consents=frozenset({"channel:email"}))),
    ],
)
def test_past_purchase_trap(case: Case) -> None:
    check("past_purchase_trap", case, past_purchase_trap=(PastPurchaseTrap(groups=("tools",)),))


@pytest.mark.parametrize(
    ("days", "level", "case"),
    [
        (1, Scope.ITEM, Case(withheld=True, bought=(("drill", 0),))),
        (1, Scope.ITEM, Case(withheld=False, bought=(("drill", 1),))),
        (30, Scope.ITEM, Case(withheld=True, bought=(("drill", 29),))),
        (30, Scope.ITEM, Case(withheld=False, bought=(("drill", 30),))),
        (30, Scope.ITEM, Case(withheld=False, bought=(("drill", -1),))),
        (30, Scope.ITEM, Case(withheld=False, bought=(("other-drill", 0), ("saw", 0)))),
        (30, Scope.CATEGORY, Case(withheld=True, bought=(("other-drill", 0),))),
        (30, Scope.CATEGORY, Case(withheld=False, bought=(("saw", 0),))),
        (30, Scope.GROUP, Case(withheld=True, bought=(("saw", 0),))),
        (30, Scope.GROUP, Case(withheld=True, bought=(("old-drill", 0),))),  # only the policy still knows it
        (30, Scope.CATEGORY, Case(withheld=False, bought=(("drill", 3),), returned=(("drill", 2),))),
    ],
)
def test_cool_down(days: int, level: Scope, case: Case) -> None:
    check("cool_down", case, cool_down=(CoolDown(groups=("tools", "drill"), days=days, level=level),))


def shown(*ago: dt.timedelta) -> tuple[Exposure, ...]:
    return tuple(Exposure(offer_id="o", at=NOW - age, channel="email", categories=()) for age in ago)


def state(*ago: dt.timedelta, **more: object) -> State:
    return State(consents=CONSENTS, exposures=shown(*ago), **more)


def click(age: dt.timedelta) -> tuple[Response, ...]:
    return (Response(offer_id="o", at=NOW - age, kind=ResponseKind.CLICK),)


@pytest.mark.parametrize(
    "case",
    [
        Case(withheld=False, state=state(DAY)),
        Case(withheld=True, state=state(2 * DAY, DAY)),
        Case(withheld=True, state=state(8 * DAY, 7 * DAY - STEP)),
        Case(withheld=False, state=state(8 * DAY, 7 * DAY)),  # rested for exactly seven days
        Case(withheld=False, state=state(8 * DAY, -STEP)),  # the second is yet to come
        Case(withheld=True, state=state(8 * DAY, DAY * 0)),
        # Nine days ago it went to rest until two days ago; what was shown during the rest counts nothing.
        Case(withheld=False, state=state(10 * DAY, 9 * DAY, 3 * DAY, DAY)),
        Case(withheld=True, state=state(10 * DAY, 9 * DAY, 2 * DAY, DAY)),  # the first at the end of the rest counts
        Case(withheld=False, state=state(2 * DAY, DAY, responses=click(DAY))),  # clicked at that very instant
        Case(withheld=True, state=state(2 * DAY, DAY, responses=click(3 * DAY))),
        Case(withheld=False, state=state(2 * DAY, DAY, responses=click(DAY + STEP))),
        Case(withheld=True, state=state(2 * DAY, DAY, responses=click(-STEP))),  # clicked in the future
        Case(withheld=False, bought=(("drill", 1),), state=state(2 * DAY, DAY)),  # bought on the day of the last one
        Case(withheld=True, bought=(("drill", 3),), state=state(2 * DAY, DAY)),
        Case(withheld=True, bought=(("other-drill", 1),), state=state(2 * DAY, DAY)),  # not one of the offer's items
        Case(
            withheld=True,
            bought=(("drill", 1),),
            state=State(consents=frozenset({"channel:email"}), exposures=shown(2 * DAY, DAY)),
        ),
    ],
)
def test_fatigue(case: Case) -> None:
    check("fatigue", case, fatigue=Fatigue(after=2, rest_days=7))


def ignored(*ago: dt.timedelta, offer_id: str = "o") -> tuple[Response, ...]:
    return tuple(Response(offer_id=offer_id, at=NOW - age, kind=ResponseKind.IGNORED) for age in ago)


@pytest.mark.parametrize(
    "case",
    [
        Case(withheld=True, state=state(3 * DAY, 2 * DAY)),  # whoever wanted to respond has had two days
        Case(withheld=False, state=state(3 * DAY, 2 * DAY - STEP)),
        Case(withheld=True, state=state(3 * DAY, DAY, responses=ignored(DAY))),  # reported at once
        Case(withheld=True, state=state(3 * DAY, DAY, responses=ignored(DAY * 0))),
        Case(withheld=False, state=state(3 * DAY, DAY, responses=ignored(DAY + STEP))),  # of one before it
        Case(withheld=False, state=state(3 * DAY, DAY, responses=ignored(-STEP))),  # not yet reported
        Case(withheld=False, state=state(3 * DAY, DAY, responses=ignored(DAY, offer_id="other"))),
        Case(withheld=False, state=state(3 * DAY, 2 * DAY, responses=(*ignored(DAY), *click(DAY)))),
    ],
)
def test_an_exposure_is_ignored_after_a_while_or_when_it_is_said(case: Case) -> None:
    check("fatigue", case, fatigue=Fatigue(after=2, rest_days=7, answer_hours=48))


def no(scope: str, value: str, at: dt.timedelta = DAY, expires: dt.timedelta | None = None) -> State:
    until = None if expires is None else NOW - expires
    return State(
        consents=CONSENTS,
        dismissals=(Dismissal(scope=DismissalScope(scope), value=value, at=NOW - at, expires=until),),
    )


@pytest.mark.parametrize(
    "case",
    [
        Case(withheld=True, state=no("offer", "o")),
        Case(withheld=True, state=no("offer", "o", at=0 * DAY)),  # at once
        Case(withheld=False, state=no("offer", "o", at=-STEP)),
        Case(withheld=True, state=no("offer", "o", expires=-STEP)),
        Case(withheld=False, state=no("offer", "o", expires=0 * DAY)),
        Case(withheld=False, state=no("offer", "gone")),
        Case(withheld=True, state=no("item", "drill")),
        Case(withheld=False, state=no("item", "o")),
        Case(withheld=True, state=no("category", "tools /  drills")),
        Case(withheld=False, state=no("category", "diy / drills")),
        Case(withheld=False, state=no("category", "drill")),
        Case(withheld=True, state=no("brand", "GRÖSSE")),
        Case(withheld=False, state=no("brand", "")),
    ],
)
def test_dismissal(case: Case) -> None:
    check("dismissal", case)


BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = dt.datetime.combine(TODAY, dt.time(0), dt.UTC)
AFTER_THE_CHANGE = dt.datetime(2017, 3, 26, 12, tzinfo=BERLIN)  # this day has 23 hours


@pytest.mark.parametrize(
    ("ago", "rests"), [(dt.timedelta(hours=23, minutes=30), True), (DAY - STEP, True), (DAY, False)]
)
@pytest.mark.parametrize("zone", [dt.UTC, BERLIN])
def test_a_day_is_24_hours_where_the_clock_was_changed(ago: dt.timedelta, rests: bool, zone: dt.tzinfo) -> None:  # noqa: FBT001 - a table
    at = (AFTER_THE_CHANGE.astimezone(dt.UTC) - ago).astimezone(zone)
    known = State(consents=CONSENTS, exposures=(Exposure(offer_id="o", at=at, channel="email", categories=()),))
    case = Case(withheld=rests, state=known, now=AFTER_THE_CHANGE)
    check("fatigue", case, fatigue=Fatigue(after=1, rest_days=1))
    listed = rankings(world(case, cap=(Cap(per=CapScope.OVERALL, max=1, hours=24),)))[0].offers
    assert len(listed) == (not rests)


@pytest.mark.parametrize(("at", "rests"), [(MIDNIGHT - STEP, False), (MIDNIGHT, True)])
def test_a_purchase_forgives_what_was_shown_until_the_last_microsecond_of_its_day(at: dt.datetime, rests: bool) -> None:  # noqa: FBT001 - a table
    shown = tuple(Exposure(offer_id="o", at=when, channel="email", categories=()) for when in (at - DAY, at))
    known = State(consents=CONSENTS, exposures=shown)
    counter = SensitivePurchase(item="drill", day=TODAY - DAY, quantity=1.0)
    counted = State(consents=CONSENTS, exposures=shown, sensitive_purchases=(counter,))
    for case in (Case(rests, bought=(("drill", 1),), state=known), Case(rests, state=counted)):
        check("fatigue", case, fatigue=Fatigue(after=1, rest_days=9))


def test_no_name_of_a_group_is_taken_for_a_rule_that_names_its_things_itself() -> None:
    groups = {"of cool-down rule 0": Group(items=("drill",))}
    opens = OnlyIfPurchased(groups=tuple(groups), min_days=1, within_days=9)
    cools = CoolDown(items=("saw",), days=1, level=Scope.GROUP)
    check(
        "only_if_purchased",
        Case(withheld=True, bought=(("saw", 1),)),
        groups=groups,
        only_if_purchased=(opens,),
        cool_down=(cools,),
    )


def test_paths_that_read_alike_are_not_one_path() -> None:
    rule = OnlyIfPurchased(groups=("all",), min_days=1, within_days=9, level=Scope.CATEGORY)
    made = world(
        Case(withheld=True, bought=(("saw", 1),)),
        groups={"all": Group(items=("drill", "saw"))},
        only_if_purchased=(rule,),
    )
    alike = made.catalogue.with_columns(pl.Series("category", ["A / / B", "A /\t/ B", "C"]))  # two parts, and one
    made = replace(made, catalogue=alike)
    assert judged(made) == []
    assert GUARDS["only_if_purchased"](situation(made)).all()


def test_a_further_never_frees_only_what_purchases_that_it_drops_held_back() -> None:
    # The one case in which a further rule enlarges what is allowed: docs/policies.md, "more questions, settled".
    rules = {
        "groups": {**GROUPS, "old": Group(items=("old-drill",))},
        "cool_down": (CoolDown(groups=("drill",), days=30, level=Scope.GROUP),),
        "past_purchase_trap": (PastPurchaseTrap(groups=("drill",), min_days=2, level=Scope.GROUP),),
    }
    old, other = (("old-drill", 3),), (("drill", 3),)
    for bought, before, after in (
        (old, True, False),
        (other, True, True),
        (old + other, True, True),
        ((), False, False),
    ):
        for guard in ("cool_down", "past_purchase_trap"):
            check(guard, Case(withheld=before, bought=bought), **rules)
            check(guard, Case(withheld=after, bought=bought), **rules, never=("old",))


def test_a_further_never_opens_nothing_that_has_to_be_bought() -> None:
    groups = {**GROUPS, "old": Group(items=("old-drill",))}
    rule = OnlyIfPurchased(groups=("drill",), min_days=1, within_days=30, level=Scope.GROUP)
    bought = (("old-drill", 3),)
    check("only_if_purchased", Case(withheld=False, bought=bought), groups=groups, only_if_purchased=(rule,))
    check(
        "only_if_purchased",
        Case(withheld=True, bought=bought),
        groups=groups,
        only_if_purchased=(rule,),
        never=("old",),
    )


def test_a_book_too_large_for_two_subjects_at_a_time_is_ranked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = shop(policy_of(), goods(a="A"), [["a"], ["a"]], AGREED, AGREED)
    assert now.parts() == [slice(0, 2)]
    monkeypatch.setattr("recsys.guards.situation._CELLS", 1)
    assert now.parts() == [slice(0, 1), slice(1, 2)]
