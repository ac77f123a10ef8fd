"""Whole decisions, with their reasons, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.agreement import situation
from support.reasoning import VERSIONS, model_of, unreasonable
from support.worlds import Size, World, seeded_world, worlds

from recsys.contracts.decision import Fill
from recsys.decide import decide

PEOPLE = Size(people=8, offers=12, items=10, lines=25)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 2**32))
def test_a_decision_says_what_plain_loops_say(world: World, seed: int) -> None:
    assert unreasonable(world, seed) == []


@pytest.mark.slow
def test_larger_decisions_say_what_plain_loops_say() -> None:
    for seed in range(150):
        assert unreasonable(seeded_world(seed, PEOPLE), seed) == [], f"world {seed}"


def test_every_kind_of_reason_is_met() -> None:
    codes, fills = set(), set()
    for seed in range(60):
        now = situation(seeded_world(seed, PEOPLE))
        for decision in decide(now, model_of(now, seed), VERSIONS, np.random.default_rng(seed)):
            codes |= {reason.code for item in decision.items for reason in item.reasons}
            fills.add(decision.fill)
    assert codes == {"bought", "related", "other", "popular", "interest", "boost"}
    assert fills == set(Fill)


def test_a_model_that_takes_no_score_apart_names_no_purchase() -> None:
    codes = set()
    for seed in range(60):
        now = situation(seeded_world(seed, PEOPLE))
        model = replace(model_of(now, seed), addends=None)
        decisions = decide(now, model, VERSIONS, np.random.default_rng(seed))
        codes |= {reason.code for decision in decisions for item in decision.items for reason in item.reasons}
    assert codes == {"bought", "other", "popular", "interest", "boost"}
