"""One world judged twice: by the guards that ship and by the oracle. What is returned should be empty."""

from __future__ import annotations

import datetime as dt

import numpy as np

from recsys.decide import Ranking, Scores, rank
from recsys.guards import GUARDS, Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.history import EPOCH, histories
from recsys.offer_book import open_offer_book
from support.oracle import RULES, Oracle
from support.oracle_lists import Listed, Lists
from support.worlds import World, purchases


def situation(world: World) -> Situation:
    """The world as guards are given it."""
    book = open_offer_book(world.offers, world.catalogue, world.policy)
    made = histories(purchases(world), book.index, subjects=[person.subject for person in world.people])
    requests, states = ([getattr(person, name) for person in world.people] for name in ("request", "state"))
    return Situation(requests, states, made, book, world.now)


def scores(world: World, oracle: Oracle) -> Scores:
    """Its scores; who is known is what the oracle says may be learned from."""
    return Scores(
        np.array(world.scores, np.float32),
        np.array(world.popular, np.float32),
        np.array([bool(oracle.learned_from(person)) for person in world.people]),
    )


def seeds(world: World) -> list[bytes]:
    """Decision ids, for where something is left to chance."""
    return [number.to_bytes(16, "big") for number in range(len(world.people))]


def rankings(world: World) -> list[Ranking]:
    """What ships decides."""
    return rank(situation(world), scores(world, Oracle(world)), seeds(world))


def judged(world: World) -> list[str]:
    """Every difference between the verdicts: one a guard, person and offer."""
    return verdicts_differ(situation(world), Oracle(world))


def decided(world: World) -> list[str]:
    """Every difference between whole decisions."""
    return decisions_differ(situation(world), Oracle(world))


def learned(world: World) -> list[str]:
    """Every difference in what of the histories may reach a score."""
    return learning_differs(situation(world), Oracle(world))


def verdicts_differ(now: Situation, oracle: Oracle) -> list[str]:
    """See `judged`."""
    masks = {rule: guard(now) for rule, guard in GUARDS.items()}
    differences = [] if tuple(masks) == RULES else [f"the guards are {tuple(masks)}"]
    for row, person in enumerate(oracle.world.people):
        for column, offer in enumerate(oracle.offers):
            expected = oracle.verdicts(person, offer)
            got = [rule for rule, mask in masks.items() if mask[row, column]]
            if expected != got:
                differences.append(f"person {row}, offer {offer['offer_id']}: expected {expected}, got {got}")
    return differences


def decisions_differ(now: Situation, oracle: Oracle) -> list[str]:
    """See `decided`."""
    lists = Lists(oracle)
    made = rank(now, scores(oracle.world, oracle), seeds(oracle.world))
    differences = [] if len(made) == len(oracle.world.people) else [f"{len(made)} decisions"]
    for row, ranking in enumerate(made):
        differences += unlike(lists.decision(row), ranking, now, row)
    return differences


def learning_differs(now: Situation, oracle: Oracle) -> list[str]:
    """See `learned`."""
    kept, names = without_trapped(now), now.book.index.names
    differences = []
    for row, person in enumerate(oracle.world.people):
        expected = {(item, day) for item, day in oracle.learned_from(person) if item in now.book.index.codes}
        mine = kept.slice(row, row + 1)
        got = {(names[item], EPOCH + dt.timedelta(int(day))) for item, day in zip(mine.item, mine.day, strict=True)}
        if got != expected:
            differences.append(f"person {row}: expected {sorted(expected - got)} more, {sorted(got - expected)} less")
    return differences


def unlike(expected: Listed, ranking: Ranking, now: Situation, row: int) -> list[str]:
    """In what one decision differs from the oracle's."""
    got = {
        "offers": [now.book.ids[offer] for offer in ranking.offers],
        "scores": ranking.scores.tolist(),
        "withheld": ranking.withheld,
        "fill": str(ranking.fill),
        "arm": str(ranking.arm),
    }
    return [
        f"person {row}: {name} expected {getattr(expected, name)}, got {value}"
        for name, value in got.items()
        if getattr(expected, name) != value
    ]
