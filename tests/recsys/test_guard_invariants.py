"""What holds whatever the world: said without the oracle's verdicts where that can be done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.agreement import rankings, seeds, situation
from support.dice import CHOICES, Drawn
from support.oracle import Oracle
from support.oracle_lists import Lists
from support.policies import GROUPS, changed, make_policy
from support.worlds import ITEMS, World, seeded_world, worlds

from recsys.decide import Scores, rank
from recsys.guards import GUARDS
from recsys.policy.document import Boosts, Exploration, ExplorationKind, Lift

ARMS = (None, "personal", "popular", "empty")
CONSENTS = ({"channel:email"}, {"channel:email", "profiling"})
BEST = 3e38


def allowed(world: World) -> np.ndarray:
    now = situation(world)
    return ~np.logical_or.reduce([guard(now) for guard in GUARDS.values()])


def shown(world: World) -> list[set[str]]:
    ids = tuple(world.offers["offer_id"])
    return [{ids[offer] for offer in ranking.offers} for ranking in rankings(world)]


def everyone(world: World, **changes: object) -> World:
    return world.with_people(tuple(person.with_state(**changes) for person in world.people))


def forgotten(world: World) -> World:
    return world.with_people(
        tuple(replace(person.with_state(sensitive_purchases=()), lines=()) for person in world.people)
    )


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(ARMS), st.sampled_from(CONSENTS), st.sampled_from(list(ExplorationKind)))
def test_what_is_withheld_appears_on_no_path(
    world: World, arm: str | None, consents: set[str], kind: ExplorationKind
) -> None:
    world = everyone(world, arm=arm, consents=frozenset(consents), interests=("wine", "milk"))
    world = world.with_policy(changed(world.policy, exploration=Exploration(kind=kind, epsilon=0.5)))
    oracle = Oracle(world)
    for person, listed in zip(world.people, shown(world), strict=True):
        withheld = {offer["offer_id"] for offer in oracle.offers if oracle.verdicts(person, offer)}
        assert not withheld & listed


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_no_score_and_no_boost_opens_what_is_withheld(world: World) -> None:
    ids = tuple(world.offers["offer_id"])
    lifted = Boosts(max=1000.0, value_weight=1000.0, lift=(Lift(offers=ids, by=1000.0), Lift(groups=GROUPS, by=1000.0)))
    mask = allowed(world)
    now = situation(world.with_policy(changed(world.policy, boosts=lifted)))
    best = np.full(now.shape, BEST, np.float32)
    for known in (False, True):
        scores = Scores(best, best[0], np.full(len(world.people), known))
        for row, ranking in enumerate(rank(now, scores, seeds(world))):
            assert mask[row, ranking.offers].all()


@settings(max_examples=60, deadline=None)
@given(worlds(), CHOICES)
def test_a_further_rule_never_enlarges_the_allowed_set(world: World, choices: bytes) -> None:
    other = make_policy(Drawn(choices), tuple(world.catalogue["item"]), tuple(world.offers["offer_id"]))
    for rule in ("only_if_purchased", "past_purchase_trap", "cool_down", "adults_only"):
        more = changed(world.policy, **{rule: (*getattr(world.policy, rule), *getattr(other, rule))})
        assert (allowed(world.with_policy(more)) <= allowed(world)).all(), rule


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(worlds(), CHOICES)
def test_a_setting_that_was_off_never_enlarges_the_allowed_set(world: World, choices: bytes) -> None:
    other = make_policy(Drawn(choices), tuple(world.catalogue["item"]), tuple(world.offers["offer_id"]))
    for name, off in (("fatigue", None), ("holdout", None), ("unknown_category", "allow")):
        without = changed(world.policy, **{name: off})
        with_it = changed(world.policy, **{name: getattr(other, name)})
        assert (allowed(world.with_policy(with_it)) <= allowed(world.with_policy(without))).all(), name


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(GROUPS))
def test_a_further_never_never_enlarges_the_allowed_set(world: World, group: str) -> None:
    # Purchases of what is never offered are dropped at every door: they are in neither of the two worlds.
    more = changed(world.policy, never=(*world.policy.never, group))
    oracle = Oracle(world.with_policy(more))
    people = tuple(
        replace(
            person.with_state(
                sensitive_purchases=tuple(
                    row for row in person.state.sensitive_purchases if not oracle.in_groups(row.item, more.never)
                )
            ),
            lines=tuple(line for line in person.lines if not oracle.in_groups(line[0], more.never)),
        )
        for person in world.people
    )
    world = world.with_people(people)
    assert (allowed(world.with_policy(more)) <= allowed(world)).all()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_erasing_a_history_opens_no_only_if_purchased(world: World) -> None:
    guard = GUARDS["only_if_purchased"]
    assert (guard(situation(forgotten(world))) >= guard(situation(world))).all()


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(ITEMS[:8]))
def test_erasing_an_item_from_a_history_opens_no_only_if_purchased(world: World, item: str) -> None:
    guard = GUARDS["only_if_purchased"]
    people = tuple(
        replace(person, lines=tuple(line for line in person.lines if line[0] != item)) for person in world.people
    )
    assert (guard(situation(world.with_people(people))) >= guard(situation(world))).all()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_without_consent_to_profiling_a_list_is_not_personal(world: World) -> None:
    world = world.with_people(
        tuple(person.with_state(consents=person.state.consents - {"profiling"}) for person in world.people)
    )
    other_scores = replace(world, scores=tuple(row[::-1] for row in world.scores))
    for one, other in zip(rankings(world), rankings(other_scores), strict=True):
        assert one.fill != "personal"
        assert one.source != "personal"
        assert one.offers.tolist() == other.offers.tolist()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_without_consent_to_profiling_a_history_withholds_and_opens_nothing(world: World) -> None:
    world = world.with_people(
        tuple(person.with_state(consents=person.state.consents - {"profiling"}) for person in world.people)
    )
    assert (allowed(world) <= allowed(forgotten(world))).all()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_the_order_is_that_of_the_boosted_scores(world: World) -> None:
    priority = [value or 0 for value in world.offers["priority"]]
    lists = Lists(Oracle(world))
    for row, ranking in enumerate(rankings(world)):
        scores = ranking.scores.tolist()
        rows = lists.oracle.offers
        assert scores == [lists.boosted(row, rows[offer]) for offer in ranking.offers]
        places = [
            (-score, -priority[offer], offer) for score, offer in zip(scores, ranking.offers.tolist(), strict=True)
        ]
        assert places == sorted(places)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.sampled_from(list(ExplorationKind)))
def test_caps_and_diversity_hold_within_one_list(world: World, kind: ExplorationKind) -> None:
    world = world.with_policy(changed(world.policy, exploration=Exploration(kind=kind, epsilon=0.5)))
    lists = Lists(Oracle(world))
    for person, ranking in zip(world.people, rankings(world), strict=True):
        listed = [lists.oracle.offers[offer] for offer in ranking.offers]
        for cap in world.policy.cap:
            keys = [key for offer in listed for key in lists.keys(cap, person, offer)]
            assert all(lists.used(cap, person, key) + keys.count(key) <= cap.max for key in keys)
        for rule in world.policy.diversity:
            prefixes = [prefix for offer in listed for prefix in lists.prefixes(offer, rule.depth)]
            assert all(prefixes.count(prefix) <= rule.max for prefix in prefixes)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_withheld_counts_and_list_account_for_offers_once(world: World) -> None:
    for row, ranking in enumerate(rankings(world)):
        counted = sum(ranking.withheld.values()) + len(ranking.offers)
        complete = len(ranking.offers) < world.people[row].request.count
        assert counted == len(world.offers) if complete else counted <= len(world.offers)
        assert all(ranking.withheld.values())


def test_no_offers_at_all_is_an_empty_list() -> None:
    world = seeded_world(1)
    for ranking in rankings(replace(world, offers=world.offers.clear(), scores=((),) * len(world.people), popular=())):
        assert (len(ranking.offers), ranking.fill, ranking.withheld) == (0, "none", {})


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_is_never_shown(score: float) -> None:
    world = everyone(seeded_world(1), consents=frozenset({"channel:email"}), arm="personal")
    row = (score,) * len(world.offers)
    world = replace(world, scores=(row,) * len(world.people), popular=row)
    mask = allowed(world)
    assert mask.any()
    for person, ranking in enumerate(rankings(world)):
        assert (len(ranking.offers), ranking.fill) == (0, "none")
        assert sum(ranking.withheld.get(rule, 0) for rule in ("unnamed", "unscored")) == mask[person].sum()
