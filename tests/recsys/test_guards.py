"""Every guard's verdict, and every whole decision, against an oracle in plain loops."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from support.agreement import decided, judged, learned, rankings, situation
from support.oracle import Oracle
from support.policies import GROUPS, changed
from support.worlds import Size, World, seeded_world, worlds

from recsys.candidate_map import CandidateMap
from recsys.contracts.decision import Decision
from recsys.contracts.offers import OFFERS
from recsys.decide import ModelScores, Versions, decide
from recsys.explain import Names
from recsys.guards import GUARDS, Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.policy.document import Exploration, ExplorationKind
from recsys.top_k import Ties, best_of

MANY = Size(people=30, offers=8, items=10, lines=14)  # a fixed world costs more than its people


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_every_verdict_agrees_with_plain_loops(world: World) -> None:
    assert judged(world) == []


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_every_decision_agrees_with_plain_loops(world: World) -> None:
    assert decided(world) == []


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_what_a_score_may_learn_from_agrees_with_plain_loops(world: World) -> None:
    assert learned(world) == []


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_ten_thousand_decisions_agree_with_plain_loops(batch: int) -> None:
    compared, seed = 0, batch * 1_000_000
    while compared < 2_500:
        world = seeded_world(seed, MANY)
        assert decided(world) == [], f"world {seed}"
        compared += len(world.people)
        seed += 1


def test_larger_worlds_agree_with_plain_loops() -> None:
    for seed in range(5_000_000, 5_000_020):
        assert judged(seeded_world(seed)) == [], f"world {seed}"
        assert decided(seeded_world(seed)) == [], f"world {seed}"
        assert learned(seeded_world(seed)) == [], f"world {seed}"


@given(worlds())
def test_a_batch_decides_as_its_members_alone(world: World) -> None:
    together = situation(world)
    for row in range(len(world.people)):
        alone = Situation(
            together.requests[row : row + 1],
            together.states[row : row + 1],
            together.histories.slice(row, row + 1),
            together.book,
            together.at,
        )
        for name, guard in GUARDS.items():
            assert (guard(alone)[0] == guard(together)[row]).all(), name


@given(worlds(), st.randoms(use_true_random=False))
def test_what_is_reported_late_counts_as_if_reported_in_time(world: World, order: random.Random) -> None:
    people = []
    for person in world.people:
        state, mixed = person.state, {}
        for name in ("exposures", "reservations", "responses", "dismissals", "sensitive_purchases"):
            rows = list(getattr(state, name))
            order.shuffle(rows)
            mixed[name] = tuple(rows)
        people.append(person.with_state(**mixed))
    for before, after in zip(rankings(world), rankings(world.with_people(tuple(people))), strict=True):
        assert before.offers.tolist() == after.offers.tolist()
        assert before.withheld == after.withheld


@settings(deadline=None)
@given(worlds(), st.sampled_from(list(ExplorationKind)), st.integers(0, 2**32))
def test_the_same_values_give_the_same_bytes(world: World, kind: ExplorationKind, seed: int) -> None:
    world = world.with_policy(changed(world.policy, exploration=Exploration(kind=kind)))
    first, second = _decisions(world, seed), _decisions(world, seed)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    for decision in first:
        for item in decision.items:
            total = sum(reason.contribution for reason in item.reasons)
            assert total == pytest.approx(item.score, rel=1e-5, abs=1e-5)


def _decisions(world: World, seed: int) -> list[Decision]:
    """Decided with every item as a model item of its own."""
    now = situation(world)
    every = np.arange(len(now.book.index), dtype=np.int32)
    candidates = CandidateMap.of(now.book, every, np.ones(len(every)))
    draw, size = np.random.default_rng(seed), len(candidates.candidates)
    learned_rows = without_trapped(now)
    model = ModelScores(
        candidates,
        draw.normal(size=(len(world.people), size)).astype(np.float32),
        draw.random(size).astype(np.float32),
        np.diff(learned_rows.offsets) > 0,
        learned_rows,
        Names((None,) * len(now.book.index)),
    )
    return decide(now, model, Versions("m", "p"), np.random.default_rng(seed))


@given(worlds())
def test_the_zone_in_which_now_is_written_does_not_matter(world: World) -> None:
    now = situation(world)
    elsewhere = world.now.astimezone(dt.timezone(dt.timedelta(hours=-12)))
    there = Situation(now.requests, now.states, now.histories, now.book, elsewhere)
    for name, guard in GUARDS.items():
        assert (guard(now) == guard(there)).all(), name


@given(worlds(), st.lists(st.booleans(), min_size=len(GROUPS), max_size=len(GROUPS)))
def test_nothing_sensitive_and_nothing_unplaced_may_be_named(world: World, named: list[bool]) -> None:
    groups = {
        name: structs.replace(world.policy.groups[name], name=flag) for name, flag in zip(GROUPS, named, strict=True)
    }
    world = world.with_policy(changed(world.policy, groups=groups))
    book, oracle = situation(world).book, Oracle(world)
    for item, code in book.index.codes.items():
        hidden = tuple(name for name in GROUPS if not groups[name].name or name in world.policy.never)
        assert book.nameable[code] == (item in oracle.paths and not oracle.in_groups(item, hidden)), item


@given(worlds())
def test_an_absent_column_says_what_an_empty_one_says(world: World) -> None:
    optional = {column.name: column.dtype for column in OFFERS.columns if not column.required}
    empty = world.offers.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in optional.items())
    filled = replace(world, offers=empty, catalogue=world.catalogue.with_columns(brand=pl.lit(None, pl.String)))
    lacking = replace(world, offers=empty.drop(optional), catalogue=world.catalogue.drop("brand"))
    assert judged(filled) == []
    for one, other in zip(rankings(filled), rankings(lacking), strict=True):
        assert one.offers.tolist() == other.offers.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        assert one.withheld == other.withheld


@pytest.mark.parametrize("score", [1.0, -1.0, 0.0, 1e-40, -1e-40, -(2.0**-126), 3e38, -3e38])
def test_scores_that_are_next_to_each_other_are_told_apart(score: float) -> None:
    row = [np.float32(score)]
    for _ in range(5):
        row.append(np.nextafter(row[-1], np.float32(np.inf)))
    scores = np.array([row, row[::-1]], np.float32)
    best = best_of(scores, np.ones(scores.shape, np.bool_), 6, Ties.of(np.zeros(6, np.int64)))
    assert best.of(0).tolist() == [5, 4, 3, 2, 1, 0]
    assert best.of(1).tolist() == [0, 1, 2, 3, 4, 5]
