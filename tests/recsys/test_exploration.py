"""What is left to chance: never outside the guards, with the probability that is logged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.agreement import scores, situation
from support.oracle import Oracle
from support.oracle_lists import Lists, propensities
from support.policies import changed
from support.worlds import World, seeded_world, worlds

from recsys.decide import rank
from recsys.policy.document import Exploration, ExplorationKind, Policy

KINDS = st.builds(
    Exploration,
    kind=st.sampled_from(list(ExplorationKind)),
    temperature=st.sampled_from([1.0, 0.1, 0.01, 1000.0]),
    epsilon=st.sampled_from([0.0, 0.25, 1.0]),
)


def seed(number: int) -> bytes:
    return (number * 0x9E3779B97F4A7C15 % 2**128).to_bytes(16, "big")


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(worlds(), KINDS, st.integers(1, 2**64))
def test_the_propensity_is_the_probability_given_the_slots_above(
    world: World, exploration: Exploration, start: int
) -> None:
    world = world.with_policy(changed(world.policy, exploration=exploration))
    lists = Lists(Oracle(world))
    now = situation(world)
    drawn = rank(now, scores(world, lists.oracle), [seed(start + row) for row in range(len(world.people))])
    for row, ranking in enumerate(drawn):
        ids = [now.book.ids[offer] for offer in ranking.offers]
        expected = propensities(lists, row, ids)  # fails where an offer was not allowed in its slot
        assert list(ranking.propensities) == pytest.approx(expected, rel=1e-6, abs=1e-300)
        assert all(propensity > 0 for propensity in ranking.propensities)
        if len(ids) < world.people[row].request.count:  # then nothing more had room
            chosen = [lists.oracle.offers[offer] for offer in ranking.offers]
            left = [offer for offer in lists.candidates(row)[0] if offer not in chosen]
            assert all(lists.blocked(world.people[row], offer, chosen) for offer in left)


@settings(max_examples=50, deadline=None)
@given(worlds(), KINDS)
def test_the_same_seed_draws_the_same_list(world: World, exploration: Exploration) -> None:
    world = world.with_policy(changed(world.policy, exploration=exploration))
    now = situation(world)
    known = scores(world, Oracle(world))
    both = [rank(now, known, [seed(7)] * len(world.people)) for _ in range(2)]
    for one, other in zip(*both, strict=True):
        assert (one.offers == other.offers).all()
        assert list(one.propensities) == list(other.propensities)


def test_a_policy_that_explores_needs_a_seed_for_each_decision() -> None:
    world = plain().with_policy(changed(plain().policy, exploration=Exploration(kind=ExplorationKind.EPSILON)))
    with pytest.raises(ValueError, match="seed"):
        rank(situation(world), scores(world, Oracle(world)))


def plain() -> World:
    """One person, to whom everything is allowed, and three offers that differ in score."""
    world = seeded_world(3)
    person = world.people[0].with_state(
        consents=frozenset({"channel:email"}), arm=None, exposures=(), reservations=(), dismissals=(), interests=()
    )
    person = replace(person, lines=(), request=type(person.request)(subject=person.subject, channel="email", count=2))
    offers = world.offers.head(3).with_columns(valid_from=None, valid_until=None, channels=None, placements=None)
    offers = offers.cast(dict(world.offers.schema)).with_columns(stock=offers["stock"].clear(3))
    policy = Policy(version=1, sha256="0" * 64, unknown_category="allow")
    return replace(
        world, policy=policy, people=(person,), offers=offers, scores=((0.0,) * 3,), popular=(0.5, 0.25, 0.0)
    )


@pytest.mark.parametrize(
    "exploration",
    [
        Exploration(kind=ExplorationKind.PLACKETT_LUCE, temperature=0.5),
        Exploration(kind=ExplorationKind.EPSILON, epsilon=0.25),
    ],
)
def test_lists_come_as_often_as_their_propensities_say(exploration: Exploration) -> None:
    world = plain().with_policy(changed(plain().policy, exploration=exploration))
    now, known, draws = situation(world), scores(world, Oracle(world)), 6000
    counts: dict[tuple[int, ...], int] = {}
    odds: dict[tuple[int, ...], float] = {}
    for number in range(draws):
        (ranking,) = rank(now, known, [seed(number)])
        listed = tuple(ranking.offers.tolist())
        counts[listed] = counts.get(listed, 0) + 1
        odds[listed] = math.prod(ranking.propensities)
    assert len(counts) == 6
    assert sum(odds.values()) == pytest.approx(1)
    for listed, probability in odds.items():
        spread = math.sqrt(draws * probability * (1 - probability))
        assert abs(counts[listed] - draws * probability) < 5 * spread, listed
