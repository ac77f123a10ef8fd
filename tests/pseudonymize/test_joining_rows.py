"""Rows about one person become one: the stricter consent, the more careful age, the first that is filled."""

from __future__ import annotations

import itertools

import polars as pl
import pytest
from support.tokens import token

from pseudonymize.gate.joining import Joining
from recsys.contracts.evaluation_sets import DEMOGRAPHICS
from recsys.contracts.subjects import SUBJECTS

ADA = token("ada")


def row(**values: object) -> pl.DataFrame:
    types = {column.name: column.dtype for column in SUBJECTS.columns if column.name in {"subject", *values}}
    return pl.DataFrame({"subject": [ADA], **{name: [value] for name, value in values.items()}}, schema=types)


def one(*files: tuple[pl.DataFrame, list[str]]) -> dict[str, object]:
    joining = Joining(SUBJECTS)
    for number, (frame, asked) in enumerate(files):
        joining.add(frame, asked, f"table {number}")
    frame, before = joining.rows()
    assert before == len(files)
    return SUBJECTS.checked(frame, where="the joined rows").row(0, named=True)


def test_who_was_not_asked_has_not_refused_and_who_was_has() -> None:
    till = row(consents=["profiling", "channel:till"]), ["profiling", "channel:till"]
    web = row(consents=["channel:email"]), ["profiling", "channel:email"]
    for files in itertools.permutations([till, web]):
        assert sorted(one(*files)["consents"]) == ["channel:email", "channel:till"]


@pytest.mark.parametrize(
    ("ages", "joined"),
    [
        ([True, True], True),
        ([True, False], False),
        ([True, None], None),
        ([None, False], False),
        ([True, "not asked"], True),
        (["not asked", "not asked"], None),
    ],
)
def test_nobody_is_of_age_whom_a_file_that_asks_does_not_call_so(ages: list[object], joined: object) -> None:
    files = [(row(consents=[], **({} if age == "not asked" else {"adult": age})), []) for age in ages]
    for order in itertools.permutations(files):
        assert one(*order).get("adult") is joined


def test_interests_are_put_together_and_the_first_store_stays() -> None:
    first = row(consents=[], interests=["wine", "tea"], store=None), []
    second = row(consents=[], interests=["tea", "bread"], store="31"), []
    third = row(consents=[], store="32"), []
    joined = one(first, second, third)
    assert (joined["interests"], joined["store"]) == (["wine", "tea", "bread"], "31")


def test_of_a_demographic_group_the_first_stays() -> None:
    joining = Joining(DEMOGRAPHICS)
    for group in ("25-34", "65+"):
        joining.add(pl.DataFrame({"subject": [ADA], "attribute": ["age"], "group": [group]}), (), "customers")
    frame, before = joining.rows()
    assert (frame.rows(), before) == ([(ADA, "age", "25-34")], 2)


def test_who_has_no_row_in_a_table_that_asks_is_counted() -> None:
    joining = Joining(SUBJECTS)
    assert joining.people_not_everywhere() == 0
    both = pl.concat([row(consents=[]), row(consents=[]).with_columns(subject=pl.lit(token("bert")))])
    joining.add(both, ["profiling"], "customers")
    joining.add(row(consents=[]), [], "stores")  # asks for nothing
    assert joining.people_not_everywhere() == 0
    joining.add(row(consents=[]), ["channel:email"], "accounts")
    joining.add(row(consents=[]), ["channel:email"], "accounts")
    assert (joining.people_not_everywhere(), joining.askers) == (1, ["accounts", "customers"])
    joining.add(both, ["channel:email"], "accounts")
    assert joining.people_not_everywhere() == 0
