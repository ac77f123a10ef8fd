from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tokens import token

from recsys.contracts.token import Lineage, column_lineage, lineage_of, parse_token
from recsys.errors import TokenError

GOOD = token("somebody")


def test_a_token_is_accepted_and_tells_its_lineage() -> None:
    parsed = parse_token(GOOD, where="here", accepted=frozenset({Lineage("rec", "01")}))
    assert lineage_of(parsed) == Lineage("rec", "01")


@pytest.mark.parametrize(
    "text",
    [
        "anna.berg@example.org",
        "",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "a",
        GOOD + "\n",
        GOOD[:-1] + "b",  # the last character's two lowest bits are zero
        GOOD.replace("s1", "s2"),
        GOOD.replace("rec", "Rec"),
        GOOD.replace(".01.", ".1."),
    ],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(TokenError) as refusal:
        parse_token(text, where="here")
    assert not text or text not in str(refusal.value)


@given(st.text(max_size=60))
def test_no_text_is_repeated(text: str) -> None:
    with pytest.raises(TokenError) as refusal:
        parse_token(text, where="column 'subject'")
    assert len(text) < 8 or text not in str(refusal.value)


def test_a_partners_token_does_not_pass_as_a_stranger() -> None:
    with pytest.raises(TokenError, match="another domain"):
        parse_token(token("x", domain="partner"), where="here", accepted=frozenset({Lineage("rec", "01")}))


def test_a_column_has_one_lineage() -> None:
    assert column_lineage(pl.Series([token(1), token(2)]), where="f") == Lineage("rec", "01")
    with pytest.raises(TokenError, match="2 domains or epochs"):
        column_lineage(pl.Series([token(1), token(1, epoch="02")]), where="f")
