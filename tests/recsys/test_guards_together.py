"""What one guard makes of what another one treats as not bought, not named or not there; written out by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from support.agreement import rankings, situation
from support.edges import AGREED, CONSENTS, DAY, GROUPS, TODAY, Case, check, world

from recsys.contracts.decision import Fill
from recsys.contracts.state import Exposure, Response, ResponseKind, SensitivePurchase, State
from recsys.guards import GUARDS
from recsys.policy.document import Fatigue, Group, OnlyIfPurchased, PastPurchaseTrap, Scope

LEVELS = [Scope.GROUP, Scope.CATEGORY, Scope.ITEM]


@pytest.mark.parametrize("opens", LEVELS)
@pytest.mark.parametrize(("trapped", "withheld"), [(Scope.ITEM, True), (Scope.CATEGORY, False)])
def test_what_a_trap_treats_as_not_bought_opens_nothing(opens: Scope, trapped: Scope, withheld: bool) -> None:  # noqa: FBT001 - a table
    # The other drill was bought once: a gift by itself, and with the drill itself one of two purchases of a category.
    bought = (("drill", 9), ("drill", 6), ("drill", 3), ("other-drill", 2))
    rules = {
        "groups": {"drills": Group(categories=("drills",), name=True)},
        "only_if_purchased": (OnlyIfPurchased(groups=("drills",), min_days=4, within_days=30, level=opens),),
        "past_purchase_trap": (PastPurchaseTrap(groups=("drills",), min_days=2, overdue=9.0, level=trapped),),
    }
    check("only_if_purchased", Case(withheld=withheld or opens is Scope.ITEM, bought=bought), **rules)


def test_what_is_not_named_is_in_no_list_of_what_everyone_buys() -> None:
    silent = {"drill": Group(items=("drill",))}
    stranger = State(consents=frozenset({"channel:email"}))
    curious = State(consents=stranger.consents, interests=("drills",))
    arranged = State(consents=CONSENTS, arm="popular")
    for groups, state, source, withheld in (
        (GROUPS, stranger, Fill.POPULAR, {}),
        (GROUPS, curious, Fill.SEGMENT, {}),
        (GROUPS, arranged, Fill.POPULAR, {}),
        (silent, stranger, Fill.POPULAR, {"unnamed": 1}),
        (silent, curious, Fill.POPULAR, {"unnamed": 1}),
        (silent, arranged, Fill.POPULAR, {"unnamed": 1}),
        (silent, AGREED, Fill.PERSONAL, {}),  # a list of one's own may hold it, without its name
    ):
        (ranking,) = rankings(world(Case(withheld=False, bought=(("drill", 3),), state=state), groups=groups))
        assert (ranking.source, ranking.withheld, len(ranking.offers)) == (source, withheld, 1 - len(withheld))


@pytest.mark.parametrize("days", [(100, 40, 35), (100, 35), (40, 35)])
def test_a_rhythm_that_has_stopped_shuts_no_gate_of_another_level(days: tuple[int, ...]) -> None:
    """Else erasing a purchase, after which a rhythm seems slower, would open one."""
    rules = {
        "groups": {"drills": Group(categories=("drills",), name=True)},
        "only_if_purchased": (OnlyIfPurchased(groups=("drills",), min_days=2, within_days=366, level=Scope.GROUP),),
        "past_purchase_trap": (PastPurchaseTrap(groups=("drills",), min_days=2, overdue=1.0, level=Scope.ITEM),),
    }
    check("only_if_purchased", Case(withheld=False, bought=tuple(("drill", day) for day in days)), **rules)


def test_a_counter_is_netted_of_the_returns_that_it_comes_with() -> None:
    rule = OnlyIfPurchased(groups=("drill",), min_days=2, within_days=30)
    counters = [(10, 1.0), (5, 1.0), (3, -1.0)]
    for rows, withheld in ((counters[:2], False), (counters, True), ([*counters, (2, 1.0)], False)):
        bought = [SensitivePurchase(item="drill", day=TODAY - ago * DAY, quantity=number) for ago, number in rows]
        known = State(consents=CONSENTS, sensitive_purchases=tuple(bought))
        check("only_if_purchased", Case(withheld=withheld, state=known), only_if_purchased=(rule,))


def test_an_instant_outside_the_calendar_is_its_first() -> None:
    long_ago = dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14)))
    shown = (Exposure(offer_id="o", at=long_ago, channel="email", categories=()),)
    answered = (Response(offer_id="o", at=long_ago, kind=ResponseKind.CLICK),)
    known = State(consents=CONSENTS, exposures=shown, responses=answered)
    assert not GUARDS["fatigue"](situation(world(Case(withheld=False, state=known), fatigue=Fatigue(after=1)))).any()


@pytest.mark.parametrize("days", [1, 2])
def test_a_gift_opens_no_gate_of_its_own_key_either(days: int) -> None:
    rules = {
        "only_if_purchased": (OnlyIfPurchased(groups=("drill",), min_days=1, within_days=30),),
        "past_purchase_trap": (PastPurchaseTrap(groups=("drill",), min_days=2, level=Scope.GROUP),),
    }
    bought = tuple(("drill", 3 + day) for day in range(days))
    check("only_if_purchased", Case(withheld=days == 1, bought=bought), **rules)
