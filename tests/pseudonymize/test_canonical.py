from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.canonical.text import text, text_column

values = st.one_of(st.text(), st.text(alphabet=st.characters(max_codepoint=127)), st.none())


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" Ada.Lovelace@Example.ORG\n", "ada.lovelace@example.org"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("\uff21\uff22\uff11", "ab1"),  # full-width
        ("e\u0301", "é"),
        ("\u212b", "å"),  # the ångström sign
        ("\u3000x\u00a0", "x"),
        ("a b", "a b"),
        ("x\0y", "x\0y"),
    ],
)
def test_ways_of_writing_one_thing(written: str, canonical: str) -> None:
    assert text(written) == canonical
    assert text_column(pl.Series([written, "é"]))[0] == canonical


def test_homoglyphs_stay_apart() -> None:
    assert text("а") != text("a")  # noqa: RUF001 - the first one is Cyrillic, on purpose


@given(st.text())
def test_twice_changes_nothing(value: str) -> None:
    assert text(text(value)) == text(value)


@given(st.lists(values))
def test_the_column_agrees_with_the_value(column: list[str | None]) -> None:
    expected = [None if value is None else text(value) or None for value in column]
    assert text_column(pl.Series(column, dtype=pl.String)).to_list() == expected
