from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.contracts.manifest import Level
from recsys.explain import Names, personal_reasons, segment_reasons, with_boost
from recsys.history import ItemIndex
from recsys.offer_book import open_offer_book
from recsys.policy.document import Group, Policy

NAMES = Names(("milk", None, "bread"))


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4),
    st.floats(0, 50),
    st.floats(-3, 3),
)
def test_reasons_sum_to_the_score(contributions: list[float], covered: float, model: float) -> None:
    score = model + float(np.log1p(covered))
    reasons = personal_reasons(
        (score, covered, True), np.array([0, 1, 2, 3]), np.array(contributions, np.float32), NAMES
    )
    assert sum(reason.contribution for reason in reasons) == pytest.approx(score, abs=1e-9)


def test_what_is_sensitive_adds_to_the_score_but_is_not_named() -> None:
    reasons = personal_reasons((1.0, 0.0, True), np.array([0, 1, 2]), np.array([0.2, 0.7, 0.1], np.float32), NAMES)
    assert [reason.text for reason in reasons] == [
        "because you buy milk",
        "because you buy bread",
        "because of everything else you buy",
    ]


def test_a_boost_and_an_interest_are_reasons_of_their_own() -> None:
    plain = segment_reasons(1.25)
    assert with_boost(plain, 1.25, 1.25) == plain
    lifted = with_boost(plain, 1.5, 1.25)
    assert [(reason.code, reason.contribution) for reason in lifted] == [
        ("interest", 1.0),
        ("popular", 0.25),
        ("boost", 0.25),
    ]


def test_a_group_may_allow_its_name_but_not_for_what_another_hides() -> None:
    catalogue = pl.DataFrame({"item": ["tea", "rum"], "category": ["D / TEA", "D / RUM"], "title": ["Tea", "Rum"]})
    groups = {"drinks": Group(items=("tea", "rum"), name=True), "alcohol": Group(items=("rum",))}
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["tea"]], "title": ["Tea"]})
    book = open_offer_book(offers, catalogue, Policy(version=1, sha256="0" * 64, groups=groups))
    vocabulary = ItemIndex.of(["D / TEA", "D / RUM"])
    assert Names.of(book, np.array([0, 1], np.int32), vocabulary, Level.TYPE).labels == ("tea", None)


def test_what_a_sensitive_offer_covers_is_not_named_either() -> None:
    reasons = personal_reasons((1.0, 2.0, False), np.array([0]), np.array([0.2], np.float32), NAMES)
    assert [reason.code for reason in reasons] == ["related", "other"]
    assert sum(reason.contribution for reason in reasons) == pytest.approx(1.0)


def test_a_model_item_is_named_only_when_all_its_items_may_be() -> None:
    catalogue = pl.DataFrame(
        {
            "item": ["cola", "rum cola", "milk", "odd"],
            "category": ["DRINKS / COLA", "DRINKS / COLA", "DAIRY / MILK", None],
            "title": ["Cola", "Rum cola", "Milk", "Odd"],
        }
    )
    policy = Policy(version=1, sha256="0" * 64, groups={"alcohol": Group(items=("rum cola",))})
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["milk"]], "title": ["Milk"]})
    book = open_offer_book(offers, catalogue, policy)
    vocabulary = ItemIndex.of(["DRINKS / COLA", "DAIRY / MILK", "GONE / GONE"])
    codes = np.array([0, 0, 1, -1], np.int32)
    assert Names.of(book, codes, vocabulary, Level.TYPE).labels == (None, "milk", None)
