"""The gateway's quick way for plain values: the same tokens as every column's, or none at all."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.channels import POLICY

from pseudonymize.canonical import DOTS_AND_PLUS, FormName, canonical_form
from pseudonymize.canonical.text import text_column
from pseudonymize.fields_check import load_fields
from pseudonymize.forgetting import forget, lift
from pseudonymize.gateway.callers import Caller
from pseudonymize.gateway.deriving import Deriver, Made, Wanted
from pseudonymize.gateway.limiting import Limiting
from pseudonymize.gateway.messages import Ask
from pseudonymize.gateway.plain import Spelled
from pseudonymize.gateway.sent import Plain, asked, joined, texts
from pseudonymize.linking.link import Kept, link
from pseudonymize.sixteen_bytes import Entries
from pseudonymize.vault import create_vault, open_vault
from web.problems import ProblemError

NOW = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
CARD = "loyalty_card"
ODD = ["", " ", 'a"b', "a\\b", "a,b", "[x]", "A", "ä", "\x00", "\n", "\ud7ff", "x" * 1025, "9840", "c-1"]

A_VALUE = st.one_of(st.sampled_from(ODD), st.text(max_size=4), st.from_regex(r"[0-9a-z]{1,40}", fullmatch=True))


@given(
    values=st.lists(A_VALUE, min_size=1, max_size=6),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", ":")]),
    plainly=st.booleans(),
)
def test_values_are_read_as_json_has_them(values: list[str], separators: tuple[str, str], *, plainly: bool) -> None:
    body = json.dumps({"values": values, "field": "f"}, separators=separators, ensure_ascii=plainly).encode()
    field, epoch, found = asked(body)
    assert (field, epoch, list(texts(found)), len(found)) == ("f", "", values, len(values))
    assert list(texts(joined([found, ["A"], found]))) == [*values, "A", *values]
    assert list(texts(joined([found, found]))) == values * 2


@given(st.one_of(st.binary(max_size=12), st.text('[]{}",:\\ a1\n', max_size=12).map(str.encode)))
def test_what_is_no_list_of_texts_is_refused_as_ever(inside: bytes) -> None:
    body = b'{"field":"f","values":' + inside + b"}"
    try:
        expected: object = msgspec.json.decode(body, type=Ask).values
    except (msgspec.DecodeError, UnicodeDecodeError):
        expected = None
    try:
        found: object = list(texts(asked(body)[2]))
    except ProblemError:
        found = None
    assert found == expected


@given(st.text(st.characters(codec="ascii"), max_size=5))
def test_plain_values_are_brought_into_the_form_of_text(value: str) -> None:
    found = asked(json.dumps({"field": "f", "values": [value]}).encode())[2]
    if isinstance(found, Plain) and value:
        data, (start,), (length,) = found.parts()
        assert text_column(pl.Series([value])).to_list() == [data[start : start + length].tobytes().decode()]


class Followed:
    """A vault with links and somebody who was forgotten."""

    def __init__(self, folder: Path) -> None:
        (folder / "fields.toml").write_text(POLICY)
        create_vault(folder / "vault", kek_file=None, environ={}, now=NOW)
        self.vault = open_vault(folder / "vault", kek_file=None, environ={}, now=NOW)
        self.policy = load_fields(folder / "fields.toml")
        self.vault.current("rec")
        known = {CARD: ["c-1", "9840", "gone"], "email": ["a@b.example", None, "gone@b.example"]}
        people = pl.DataFrame(known).with_columns(
            *(pl.lit("yes").alias(purpose) for purpose in ("profiling", "training", "till")),
            phone=pl.lit(None, pl.String),
        )
        people.write_parquet(folder / "customers.parquet")
        link(self.vault, self.policy, [folder / "customers.parquet"], Kept())
        self.form = self.policy.fields[CARD].form()
        forget(self.vault, CARD, self.form, pl.Series(["gone"]), folder / "orders")
        self.deriver = Deriver(self.vault, self.policy.fields, lambda: NOW)

    def both(self, field: str, *values: str) -> tuple[Made, Made | None]:
        """What every column's way makes, and what is made at once."""
        wanted = Wanted("rec", "", field)
        slowly = self.deriver.made(wanted, values)
        return slowly, self.deriver.made_at_once(
            wanted, asked(json.dumps({"field": field, "values": values}).encode())[2]
        )


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(tmp_path_factory.mktemp("gateway"))


def written(made: Made | None) -> object:
    assert made is not None
    tokens = json.loads(bytes(made.tokens.json())) if isinstance(made.tokens, Spelled) else made.tokens
    return made.lineage, tokens, made.refused


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values=st.lists(st.sampled_from([*ODD, "gone", "GONE"]), min_size=1, max_size=5))
def test_both_ways_make_the_same_of_every_value(followed: Followed, values: list[str]) -> None:
    slowly, at_once = followed.both(CARD, *values)
    assert written(at_once) == written(slowly)


ADDRESS = st.from_regex(r"[a-cA]?[.+@]?[ab1]@(a|B|-|gmail|\.){1,3}(\.|\.b1|\.com|@)?", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.one_of(ADDRESS, st.sampled_from(["a@b.example", "x" * 60 + "@b.co", "a", "9840", "", ","])),
        min_size=1,
        max_size=3,
    )
)
@example(["a", "b@c.de"])
@example(["b@c.de", "9840", "b@c.de"])
def test_both_ways_make_the_same_of_every_address(followed: Followed, values: list[str]) -> None:
    slowly, at_once = followed.both("email", *values)
    assert written(at_once) == written(slowly)


def test_plain_values_go_the_quick_way_and_links_hold_there(followed: Followed) -> None:
    slowly, quickly = followed.both(CARD, "c-1", "9840", "new")
    assert quickly is not None
    assert isinstance(quickly.tokens, Spelled)
    assert written(quickly) == written(slowly)
    address, _ = followed.both("email", "a@b.example")
    assert isinstance(slowly.tokens, list)
    assert address.tokens == slowly.tokens[:1]
    _, addresses = followed.both("email", "a@b.example", "A.B+c@Mail.Example")
    assert addresses is not None
    assert isinstance(addresses.tokens, Spelled)


@given(ADDRESS)
def test_an_address_that_is_said_to_be_in_its_form_is(value: str) -> None:
    found = asked(json.dumps({"field": "f", "values": [value, "b@a.a"]}).encode())[2]
    assert isinstance(found, Plain)
    for option in ("", DOTS_AND_PLUS):
        form = canonical_form(FormName.EMAIL, option)
        if form.met(found.parts()):
            assert form.column(pl.Series([value])).to_list() == [value.lower()]


def test_who_was_forgotten_has_no_token_the_quick_way_either(followed: Followed, tmp_path: Path) -> None:
    wanted = Wanted("rec", "", CARD)
    assert followed.both(CARD, "c-1", "gone")[0].refused == {1: "forgotten"}
    forget(followed.vault, CARD, followed.form, pl.Series(["9840"]), tmp_path / "orders")
    assert followed.deriver.made_at_once(wanted, Plain(b'"9840"', 1)) is None  # the vault was changed: not at once
    slowly, at_once = followed.both(CARD, "9840", "c-1")
    assert written(at_once) == written(slowly)
    assert slowly.refused == {0: "forgotten"}
    lift(followed.vault, CARD, followed.form, pl.Series(["9840"]))


def test_a_form_that_takes_long_is_not_worked_out_at_once(tmp_path: Path) -> None:
    (tmp_path / "fields.toml").write_text(POLICY)
    create_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)
    vault = open_vault(tmp_path / "vault", kek_file=None, environ={}, now=NOW)
    vault.current("rec")
    deriver = Deriver(vault, load_fields(tmp_path / "fields.toml").fields, lambda: NOW)
    wanted = Wanted("rec", "", "phone")
    assert deriver.made(wanted, ["+442079460001"]).refused == {}
    assert deriver.made_at_once(wanted, ["+442079460001"]) is None
    assert deriver.made_at_once(wanted._replace(field=CARD), ["1"]) is not None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), unique=True),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4))),
)
def test_entries_are_found_by_both_halves(entries: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    scattered = np.array([1 << 62, 1], np.uint64)
    known = Entries(np.array(entries, np.uint64).reshape(-1, 2) * scattered)
    expected = [entries.index(one) if one in entries else -1 for one in wanted]
    assert known.places(np.array(wanted, np.uint64).reshape(-1, 2) * scattered).tolist() == expected


def test_a_window_slides_and_says_when_there_is_room() -> None:
    now = 0.0
    limiting = Limiting(lambda: now)
    caller = Caller(key_id="0" * 12, name="n", digest="0" * 64, domain="rec", fields=("f",), per_minute=10, created=NOW)

    def wait(values: int) -> int:
        try:
            limiting.spend(caller, values)
        except ProblemError as error:
            return int(error.headers["Retry-After"])
        return 0

    assert [wait(10), wait(1)] == [0, 66]  # six seconds into the next minute a tenth of the ten is forgotten
    now = 65.0
    assert wait(1) == 1
    now = 66.0
    assert [wait(1), wait(1)] == [0, 6]
    now = 90.0
    assert [wait(4), wait(1)] == [0, 6]  # half of the ten, and five
    now = 200.0
    assert wait(10) == 0
