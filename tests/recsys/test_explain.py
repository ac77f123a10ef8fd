from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.manifest import Level
from recsys.explain import Names, most_telling, personal_reasons, popular_reasons, segment_reasons, with_boost
from recsys.history import ItemIndex
from recsys.offer_book import open_offer_book
from recsys.policy.document import Group, Policy

NAMES = Names(("milk", None, "bread", "tea", "soap"))


ADDENDS = st.floats(-1, 1, width=32)


@given(st.lists(st.tuples(*[ADDENDS] * 6), min_size=1, max_size=4), st.floats(0, 50), st.floats(-3, 3))
def test_reasons_sum_to_the_score(addends: list[tuple[float, ...]], covered: float, model: float) -> None:
    items, padding = [2, 0, 1, 4, 3], 5
    found = most_telling(np.array([*items, padding]), np.array(addends, np.float32), NAMES)
    for row, named in zip(addends, found, strict=True):
        pairs = [(-added, place) for place, added in enumerate(row[:5]) if added > 0 and NAMES.labels[items[place]]]
        assert named == [(f"because you buy {NAMES.labels[items[at]]}", -added) for added, at in sorted(pairs)[:2]]
        reasons = personal_reasons(model + covered, covered, named)
        assert [reason.text for reason in reasons if reason.code == "related"] == [text for text, _ in named]
        assert sum(reason.contribution for reason in reasons) == pytest.approx(model + covered, abs=1e-9)


def test_what_is_sensitive_adds_to_the_score_but_is_not_named() -> None:
    (named,) = most_telling(np.array([0, 1, 2]), np.array([[0.2, 0.7, 0.1]], np.float32), NAMES)
    reasons = personal_reasons(1.0, 0.0, named)
    assert [reason.text for reason in reasons] == [
        "because you buy milk",
        "because you buy bread",
        "because of everything else you buy",
    ]


def test_nobody_is_told_of_a_history_that_is_empty() -> None:
    padding = np.full(8, len(NAMES.labels))
    assert most_telling(padding, np.zeros((2, 8), np.float32), NAMES) == [[], []]
    assert most_telling(padding[:0], np.zeros((1, 0), np.float32), NAMES) == [[]]


def test_a_boost_and_an_interest_are_reasons_of_their_own() -> None:
    plain = segment_reasons(1.25)
    assert with_boost(plain, 1.25, 1.25) == plain
    lifted = with_boost(plain, 1.5, 1.25)
    assert [(reason.code, reason.contribution) for reason in lifted] == [
        ("interest", 1.0),
        ("popular", 0.25),
        ("boost", 0.25),
    ]


def test_what_takes_from_a_score_is_said_to() -> None:
    (_, rest) = personal_reasons(0.25, 0.5, ())
    assert (rest.text, rest.contribution) == ("everything else you buy speaks for other offers", -0.25)
    *_, lowered = with_boost(popular_reasons(0.5), 0.25, 0.5)
    assert (lowered.text, lowered.contribution) == ("the shop features other offers", -0.25)


def test_a_group_may_allow_its_name_but_not_for_what_another_hides() -> None:
    catalogue = pl.DataFrame({"item": ["tea", "rum"], "category": ["D / TEA", "D / RUM"], "title": ["Tea", "Rum"]})
    groups = {"drinks": Group(items=("tea", "rum"), name=True), "alcohol": Group(items=("rum",))}
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["tea"]], "title": ["Tea"]})
    book = open_offer_book(offers, catalogue, Policy(version=1, sha256="0" * 64, groups=groups))
    vocabulary = ItemIndex.of(["D / TEA", "D / RUM"])
    assert Names.of(book, np.array([0, 1], np.int32), vocabulary, Level.TYPE).labels == ("tea", None)


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


def test_a_category_is_called_by_its_title_else_by_a_name_made_of_its_path() -> None:
    paths = ["A / SFT DRNK (EX", "A / TEA", "A / TEA", "A  /  CAKE", "A / (MISC", "A / RUM (DARK)"]
    titles = [None, None, "iced tea", "cakes", None, None]
    rows = {"item": list("abcdef"), "category": paths, "title": list("ABCDEF"), "category_title": titles}
    catalogue = CATALOGUE.checked(pl.DataFrame(rows), where="catalogue")
    offers = pl.DataFrame({"offer_id": ["o"], "items": [["a"]], "title": ["A"]})
    policy = Policy(version=1, sha256="0" * 64)
    vocabulary = ItemIndex.of(["A / SFT DRNK (EX", "A / TEA", "A / CAKE", "A / (MISC", "A / RUM (DARK)", "A / OLD (X"])
    codes = np.array([0, 1, 1, 2, 3, 4], np.int32)
    everything = Names.of(open_offer_book(offers, catalogue, policy), codes, vocabulary, Level.TYPE)
    assert everything.labels == ("sft drnk", "iced tea", "cakes", "(misc", "rum (dark)", None)
    untitled = open_offer_book(offers, catalogue.drop("category_title"), policy)
    labels = Names.of(untitled, codes, vocabulary, Level.TYPE).labels
    assert labels == ("sft drnk", "tea", "cake", "(misc", "rum (dark)", None)


def test_two_things_of_the_same_name_are_named_once_with_what_both_add() -> None:
    names = Names(("cola", "cola", "milk"))
    addends = np.array([[0.5, 0.25, 0.125], [0.0, 0.25, 0.5]], np.float32)
    both, apart = most_telling(np.array([0, 1, 2]), addends, names)
    assert both == [("because you buy cola", 0.75)]
    assert apart == [("because you buy milk", 0.5), ("because you buy cola", 0.25)]
