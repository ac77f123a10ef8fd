"""Bad input and awkward times: what stores and files hand over sooner or later."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from unicodedata import normalize

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from msgspec import structs
from support.agreement import decided, judged, rankings
from support.counter import AGREED, NOW, goods, policy_of, shop
from support.policies import changed
from support.worlds import World, seeded_world, worlds

from recsys.contracts.state import Dismissal, DismissalScope, Exposure, SensitivePurchase, State
from recsys.fallback import matches
from recsys.guards import GUARDS
from recsys.history import Histories, day_number
from recsys.policy.document import Cap, CapScope, CoolDown, Diversity, Group, OnlyIfPurchased, PastPurchaseTrap
from recsys.rank import Scores, rank

RULES, PEOPLE = 10_000, 16


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_where_the_clock_goes_back_what_lies_ahead_has_not_happened(world: World) -> None:
    today = world.now.astimezone(dt.UTC).date()
    people = tuple(
        replace(
            person.with_state(
                exposures=tuple(one for one in person.state.exposures if one.at <= world.now),
                responses=tuple(one for one in person.state.responses if one.at <= world.now),
                dismissals=tuple(one for one in person.state.dismissals if one.at <= world.now),
                sensitive_purchases=tuple(
                    one for one in person.state.sensitive_purchases if one.day <= today or one.quantity < 0
                ),
            ),
            lines=tuple(line for line in person.lines if line[1] <= today or line[2] < 0),
        )
        for person in world.people
    )
    for ahead, past in zip(rankings(world), rankings(world.with_people(people)), strict=True):
        assert (ahead.offers.tolist(), ahead.withheld) == (past.offers.tolist(), past.withheld)


def test_an_offer_that_is_over_before_it_begins_never_goes_out_and_is_warned_of() -> None:
    day = dt.timedelta(days=1)
    spans = {"valid_from": [NOW + day, None, NOW], "valid_until": [NOW - day, None, NOW]}
    now = shop(policy_of(), goods(a="A"), [["a"]] * 3, AGREED, **spans)
    assert GUARDS["eligibility"](now).tolist() == [[True, False, True]]
    (warning,) = now.book.warnings
    assert warning.startswith("2 offers are over before they begin")
    assert warning.endswith("row 1")


def test_an_offer_of_things_that_nobody_knows_is_withheld() -> None:
    now = shop(policy_of(), goods(a="A"), [["a"], ["a", "x"], ["x"]], AGREED)
    assert GUARDS["unknown_category"](now).tolist() == [[False, True, True]]


def test_a_dismissal_of_what_does_not_exist_holds_once_it_appears() -> None:
    said = [
        Dismissal(scope=scope, value=value, at=NOW)
        for scope, value in ((DismissalScope.OFFER, "o1"), (DismissalScope.ITEM, "b"), (DismissalScope.CATEGORY, "B"))
    ]
    state = State(consents=AGREED.consents, dismissals=tuple(said))
    assert not GUARDS["dismissal"](shop(policy_of(), goods(a="A"), [["a"]], state)).any()
    for one in said:
        now = shop(policy_of(), goods(a="A", b="B"), [["a"], ["b"]], State(dismissals=(one,)))
        assert GUARDS["dismissal"](now).tolist() == [[False, True]]


@pytest.mark.parametrize("quantity", [0.0, -1.0])
def test_a_count_that_is_not_above_zero_opens_nothing(quantity: float) -> None:
    rule = OnlyIfPurchased(groups=("g",), min_days=1, within_days=9)
    bought = SensitivePurchase(item="a", day=NOW.date(), quantity=1.0)
    policy = policy_of(groups={"g": Group(items=("a",))}, only_if_purchased=(rule,))
    for row, withheld in ((bought, False), (SensitivePurchase(item="a", day=NOW.date(), quantity=quantity), True)):
        state = State(consents=AGREED.consents, sensitive_purchases=(row,))
        assert GUARDS["only_if_purchased"](shop(policy, goods(a="A"), [["a"]], state)).item() is withheld


def test_a_count_of_an_item_that_nobody_knows_opens_nothing() -> None:
    rule = OnlyIfPurchased(groups=("g",), min_days=1, within_days=9)
    policy = policy_of(groups={"g": Group(items=("b",))}, only_if_purchased=(rule,))
    for item, withheld in (("b", False), ("gone", True)):
        row = SensitivePurchase(item=item, day=NOW.date(), quantity=1.0)
        state = State(consents=AGREED.consents, sensitive_purchases=(row,))
        assert GUARDS["only_if_purchased"](shop(policy, goods(a="A", b="B"), [["b"]], state)).item() is withheld


def test_what_was_bought_on_the_first_day_of_the_calendar_counts_on_the_last() -> None:
    rule = PastPurchaseTrap(groups=("g",), min_days=2)
    policy = policy_of(groups={"g": Group(items=("a",))}, past_purchase_trap=(rule,))
    row = SensitivePurchase(item="a", day=dt.date.min, quantity=1.0)
    now = shop(policy, goods(a="A"), [["a"]], State(sensitive_purchases=(row,)))
    assert GUARDS["past_purchase_trap"](replace(now, at=dt.datetime.max.replace(tzinfo=dt.UTC))).item() is True


def test_a_state_from_before_the_policy_counts_as_far_as_anybody_can_say() -> None:
    exposures = tuple(
        Exposure(offer_id=offer, at=NOW, channel="email", categories=categories)
        for offer, categories in (("gone", ("Old / A / X",)), ("o0", ("NEW /  a / y", "old / B")), ("o1", ()))
    )
    state = State(consents=AGREED.consents, exposures=exposures, arm="an arm of last year")
    offers = [["a"], ["b"], ["c"]]
    catalogue = goods(a="OLD / A / Z", b="NEW / A", c="C")
    made = []
    for limit in (1, 2):
        now = shop(policy_of(cap=(Cap(per=CapScope.CATEGORY, max=limit, hours=1, depth=2),)), catalogue, offers, state)
        (ranking,) = rank(now, Scores(np.ones((1, 3), np.float32), np.ones(3, np.float32), np.ones(1, np.bool_)))
        made.append((ranking.offers.tolist(), ranking.withheld))
        assert ranking.arm == "personal"
    assert made == [([2], {"frequency_cap": 2}), ([0, 1, 2], {})]


@pytest.mark.parametrize(
    "category",
    [
        "Käse / Größe Ⅳ",
        "Cafe\u0301 / Ro\u0302ti",
        "\u1e9e / ǰ / ΐ",
        "a/b / c\\d",
        "%s / {x} / $y",
        "\u202ertl / 😀",
        '\'; -- / "q"',
    ],
)
def test_category_paths_with_odd_characters_match_as_themselves(category: str) -> None:
    for written in (category, category.upper(), normalize("NFC", category), normalize("NFD", category)):
        policy = policy_of(groups={"g": Group(categories=(written,))}, never=("g",))
        now = shop(policy, goods(a=category, b="B"), [["a"], ["b"]], AGREED)
        assert GUARDS["never"](now).tolist() == [[True, False]]
        assert now.book.warnings == ()
        last = written.rsplit(" / ", maxsplit=1)[-1]
        said = Dismissal(scope=DismissalScope.CATEGORY, value=last, at=NOW)
        curious = State(consents=AGREED.consents, dismissals=(said,), interests=(last,))
        now = shop(policy_of(), goods(a=category, b="B"), [["a"], ["b"]], curious)
        assert GUARDS["dismissal"](now).tolist() == [[True, False]]
        assert matches(now.book, curious).tolist() == [True, False]


@pytest.mark.parametrize("written", ["Nestle\u0301", "NESTLÉ", " nestlé\t", "nestle\u0301  "])
def test_a_brand_is_the_same_however_its_accents_are_written(written: str) -> None:
    said = Dismissal(scope=DismissalScope.BRAND, value=written, at=NOW)
    catalogue = goods(a="A", b="B").with_columns(brand=pl.Series(["Nestlé", "Nestle"]))
    now = shop(policy_of(), catalogue, [["a"], ["b"]], State(dismissals=(said,)))
    assert GUARDS["dismissal"](now).tolist() == [[True, False]]


@pytest.mark.slow
def test_ten_thousand_rules_of_each_kind_still_decide_quickly() -> None:
    groups = {f"g{n}": Group(categories=(f"C{n}",)) for n in range(RULES)}
    policy = policy_of(
        groups=groups,
        only_if_purchased=tuple(OnlyIfPurchased(groups=(name,), min_days=1, within_days=30) for name in groups),
        cool_down=tuple(CoolDown(groups=(name,), days=1 + n % 9) for n, name in enumerate(groups)),
        cap=tuple(Cap(per=CapScope.CATEGORY, max=5 + n % 20, hours=1 + n, depth=2) for n in range(RULES)),
        diversity=tuple(Diversity(max=1 + n % 9, depth=1 + n % 3) for n in range(RULES)),
    )
    catalogue = goods(**{f"i{n}": f"D / C{n}" for n in range(RULES)})
    shown = Exposure(offer_id="o1", at=NOW, channel="email", categories=("D / C1",))
    states = [State(consents=AGREED.consents, exposures=(shown,))] * PEOPLE
    start = time.process_time()
    now = shop(policy, catalogue, [[f"i{n}"] for n in range(1_000)], *states)
    days = np.full(PEOPLE * 100, day_number(NOW.date()) - 20, np.int32)
    ones = np.ones(len(days), np.int32)
    items = np.tile(np.arange(100, dtype=np.int32), PEOPLE)
    histories = Histories(
        now.histories.subjects, np.arange(PEOPLE + 1) * 100, items, days, ones.astype(np.float32), ones
    )
    opened = time.process_time()
    scores = Scores(np.ones((PEOPLE, 1_000), np.float32), np.ones(1_000, np.float32), np.ones(PEOPLE, np.bool_))
    listed = rank(replace(now, histories=histories), scores)
    assert all(ranking.withheld["only_if_purchased"] == 900 for ranking in listed)
    assert opened - start < 20
    assert time.process_time() - opened < 0.02 * PEOPLE


@pytest.mark.slow
def test_ten_thousand_caps_of_which_none_outdoes_another_decide_quickly() -> None:
    steps = [(1 + n % 10, 1 + n // 10) for n in range(RULES)]
    caps = tuple(Cap(per=CapScope.CATEGORY, depth=depth, max=step, hours=step) for depth, step in steps)
    shown = tuple(
        Exposure(offer_id="gone", at=NOW - dt.timedelta(hours=n / 3), channel="email", categories=("A / X / L",))
        for n in range(400)
    )
    now = shop(
        policy_of(cap=caps),
        goods(a="A / X / L", b="B"),
        [["a"], ["b"]],
        State(consents=AGREED.consents, exposures=shown),
    )
    scores = Scores(np.ones((1, 2), np.float32), np.ones(2, np.float32), np.ones(1, np.bool_))
    start = time.process_time()
    (ranking,) = rank(now, scores)
    for _ in range(5):
        rank(now, scores)
    assert ranking.skipped == {0: "frequency_cap"}
    assert time.process_time() - start < 1


@pytest.mark.slow
def test_of_several_rules_about_one_thing_the_strictest_decides() -> None:
    other = {
        "only_if_purchased": {"min_days": 2, "within_days": 3},
        "past_purchase_trap": {"min_days": 3, "overdue": 1.5},
        "cool_down": {"days": 3},
        "cap": {"max": 2},
        "diversity": {"max": 2},
    }
    for seed in range(40):
        world = seeded_world(seed)
        rules = {
            name: tuple(rule for one in getattr(world.policy, name) for rule in (one, structs.replace(one, **numbers)))
            for name, numbers in other.items()
        }
        world = world.with_policy(changed(world.policy, **rules))
        assert judged(world) == []
        assert decided(world) == []
