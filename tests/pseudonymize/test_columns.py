from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize import columns
from pseudonymize.distinct import encoded
from pseudonymize.set_aside import Place, SetAside
from pseudonymize.tokeniser import Tokeniser
from recsys.errors import ContractError

PLACE = Place(SetAside(Path("raw.csv"), lenient=False), "cell", pl.Series(range(11, 5000)))
TODAY = dt.date(2018, 3, 1)


@pytest.mark.parametrize(
    ("cell", "agreed"),
    [
        *(("yes", True), ("TRUE", True), ("1", True), (" Yes ", True)),
        *(("no", False), ("False", False), ("0", False), ("", False), ("  ", False), (None, False)),
    ],
)
def test_consent_is_an_explicit_yes(cell: str | None, agreed: bool) -> None:  # noqa: FBT001 - a case's expectation
    assert columns.consent(pl.Series([cell], dtype=pl.String), PLACE).to_list() == [agreed]


@given(st.text().filter(lambda text: text.strip().lower() not in {"yes", "true", "1", "no", "false", "0", ""}))
def test_a_consent_that_must_be_guessed_is_refused(cell: str) -> None:
    with pytest.raises(ContractError, match=r"raw\.csv: row 12, column 'cell' is neither a yes nor a no\."):
        columns.consent(pl.Series(["yes", cell]), PLACE)


def test_consents_of_other_types() -> None:
    assert columns.consent(pl.Series([True, None, False]), PLACE).to_list() == [True, False, False]
    assert columns.consent(pl.Series([1, 0, None]), PLACE).to_list() == [True, False, False]
    assert columns.consent(pl.Series([None, None]), PLACE).to_list() == [False, False]


@given(st.dates(dt.date(1900, 1, 1), TODAY), st.integers(1, 100))
def test_adult_agrees_with_counting_birthdays(born: dt.date, years: int) -> None:
    birthdays = sum(
        dt.date(year, born.month, born.day) <= TODAY
        if (born.month, born.day) != (2, 29)
        else dt.date(year, 3, 1) <= TODAY
        for year in range(born.year + 1, TODAY.year + 1)
    )
    for values in (pl.Series([born]), pl.Series([born.isoformat()])):
        assert columns.adult(values, years, TODAY, PLACE).to_list() == [birthdays >= years]


def test_an_unknown_birth_date_verifies_nothing_and_a_future_one_is_refused() -> None:
    assert columns.adult(pl.Series([None], dtype=pl.Date), 18, TODAY, PLACE).to_list() == [None]
    with pytest.raises(ContractError, match="row 11, column 'cell' lies in the future"):
        columns.adult(pl.Series([dt.date(2018, 3, 2)]), 18, TODAY, PLACE)


@pytest.mark.parametrize(
    "cell",
    [
        *("2017-03-05", "2017-03-05 23:59", "2017-03-05T23:59:59", "2017-03-05 23:59:59.123456"),
        *("2017-03-05T23:59:59Z", "2017-03-05T23:59:59+14:00", "2017-03-05T00:00:01-11"),
    ],
)
def test_a_time_becomes_the_day_on_the_clock_where_it_was_written(cell: str) -> None:
    assert columns.day(pl.Series([cell]), PLACE).to_list() == [dt.date(2017, 3, 5)]


@pytest.mark.parametrize(
    "cell", ["05.03.2017", "2017-13-05", "2017-02-29", "2017-03-05 24h", "20170305", "x 2017-03-05"]
)
def test_what_is_no_time_is_refused_without_being_repeated(cell: str) -> None:
    with pytest.raises(ContractError, match="row 12, column 'cell' is not a time") as caught:
        columns.day(pl.Series([None, cell]), PLACE)
    assert cell not in str(caught.value)


def test_days_of_zoned_times_are_local() -> None:
    late = pl.Series([dt.datetime(2017, 3, 5, 23, 30, tzinfo=dt.UTC)])
    assert columns.day(late, PLACE).to_list() == [dt.date(2017, 3, 5)]
    assert columns.day(late.dt.convert_time_zone("Asia/Tokyo"), PLACE).to_list() == [dt.date(2017, 3, 6)]


def test_a_time_of_day_is_given_up_on_purpose_only() -> None:
    with pytest.raises(ContractError, match="generalise = 'day'"):
        columns.date(pl.Series([dt.datetime(2017, 3, 5)]), PLACE)  # noqa: DTZ001 - tills write local times


def test_interests_are_trimmed() -> None:
    assert columns.interests(pl.Series(["a; b ;;", " ", None])).to_list() == [["a", "b"], [], None]


def test_whole_numbers_are_identifiers_too(tokeniser: Tokeniser) -> None:
    numbers, text = pl.Series([17, 25]), pl.Series(["17", "25 "])
    coded = [encoded(columns.as_text(values, PLACE)) for values in (numbers, text)]
    made = [columns.subject(values, "loyalty_card", tokeniser, PLACE).text.to_list() for values in coded]
    assert made[0] == made[1]


@pytest.mark.parametrize("cell", [None, "", " \t", "\u3000"])
def test_nobody_is_nobody(tokeniser: Tokeniser, cell: str | None) -> None:
    values = encoded(pl.Series(["x", cell], dtype=pl.String))
    with pytest.raises(ContractError, match="row 12, column 'cell' is empty"):
        columns.subject(values, "loyalty_card", tokeniser, PLACE)
    assert columns.identifier(values, "receipt", tokeniser, PLACE).text[1] is None


def test_a_document_is_no_identifier() -> None:
    with pytest.raises(ContractError, match="row 12, column 'cell' is longer than 1024 bytes"):
        columns.as_text(pl.Series(["x", "é" * 513]), PLACE)


ODD = [
    pl.Series([1.5]),
    pl.Series([b"canary"]),
    pl.Series([["canary"]]),
    pl.Series([{"a": "canary"}]),
    pl.Series([dt.timedelta(days=1)]),
    pl.Series([dt.time(1, 2)]),
    pl.Series([Decimal("1.5")]),
]


@pytest.mark.parametrize("values", ODD, ids=lambda values: str(values.dtype))
def test_odd_types_are_refused_by_name(values: pl.Series) -> None:
    calls = [
        lambda: columns.as_text(values, PLACE),
        lambda: columns.consent(values, PLACE),
        lambda: columns.day(values, PLACE),
        lambda: columns.adult(values, 18, TODAY, PLACE),
    ]
    if not values.dtype.is_numeric():
        calls.append(lambda: columns.number(values, PLACE))
    for call in calls:
        with pytest.raises(ContractError, match=r"raw\.csv: column 'cell' has type") as caught:
            call()
        assert "canary" not in str(caught.value)
