"""Forms that a library works out, and those that can fail."""

from __future__ import annotations

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymize.canonical import FormName, canonical_form, form_labelled
from pseudonymize.fields import Field
from recsys.errors import PolicyError

# UID2, "Normalization and Encoding", examples for e-mail; and the edge cases of its SDKs' tests.
UID2 = [
    ("MyEmail@example.com", "myemail@example.com"),
    ("MYEMAIL@example.com", "myemail@example.com"),
    ("My.Email@example.com", "my.email@example.com"),
    ("JANESAOIRSE@example.com", "janesaoirse@example.com"),
    ("jane.saoirse@example.com", "jane.saoirse@example.com"),
    ("JaneSaoirse+Work@example.com", "janesaoirse+work@example.com"),
    ("JANE.SAOIRSE@gmail.com", "janesaoirse@gmail.com"),
    ("Jane.Saoirse@gmail.com", "janesaoirse@gmail.com"),
    ("JaneSaoirse+Work@gmail.com", "janesaoirse@gmail.com"),
    ("JaneSaoirse++@gmail.com", "janesaoirse@gmail.com"),
    ("TEst.TEST@Test.com ", "test.test@test.com"),
    ("+test@test.com", "+test@test.com"),
]
READ = [
    ("email", "", " Ada@EXAMPLE.org\n", "ada@example.org"),
    ("email", "", "a.b+c@gmail.com", "a.b+c@gmail.com"),
    ("email", "", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
    ("email", "", "ada@example.org.", "ada@example.org"),
    ("phone", "GB", "020 7946 0001", "+442079460001"),
    ("phone", "GB", "\u202a+44 (0)20 7946-0001\u202c", "+442079460001"),
    ("phone", "DE", "+44 20 7946 0001", "+442079460001"),
    ("phone", "GB", "020 7946 0001 ext. 7", "+442079460001;ext=7"),
    ("card", "", "4111 1111-1111 1111", "4111111111111111"),
    ("national-id", "gb.nhs", "943 476 5870", "9434765870"),
    ("date", "", "1970-02-03", "1970-02-03"),
    ("date", "%d/%m/%Y", "03/02/1970", "1970-02-03"),
]
UNREAD = [
    *(("email", "", value) for value in ("ada", "ada@", "@example.org", "a b@example.org", "a@b@example.org")),
    *(("email", "", value) for value in ("a" * 65 + "@b.org", "a@" + "b" * 64 + ".org", "a@b..org", "a@.org")),
    *(("email", "", value) for value in ("ada@localhost", "ad\0a@example.org", "ad\u200fa@example.org", "a@-b.org")),
    ("email", "dots-and-plus", "+@gmail.com"),
    *(("phone", "GB", value) for value in ("12", "ada", "+44 20 7946 0001 0001 0001")),
    *(("card", "", value) for value in ("4111111111111112", "41", "4111x1111111111111")),
    ("national-id", "gb.nhs", "9434765871"),
    *(("date", "", value) for value in ("03/02/1970", "1970-02-30", "yesterday")),
]


def read(name: str, option: str, value: str) -> str | None:
    form = canonical_form(FormName(name), option)
    assert form_labelled(form.label) == form or form_labelled(form.label).label == form.label
    return form.column(pl.Series([None, value, ""], dtype=pl.String)).to_list()[1]


@pytest.mark.parametrize(("value", "expected"), UID2)
def test_what_uid2_publishes(value: str, expected: str) -> None:
    assert read("email", "dots-and-plus", value) == expected


@pytest.mark.parametrize(("name", "option", "value", "expected"), READ)
def test_what_can_be_read(name: str, option: str, value: str, expected: str) -> None:
    assert read(name, option, value) == expected
    assert read(name, option if name != "date" else "", expected) == expected


@pytest.mark.parametrize(("name", "option", "value"), UNREAD)
def test_what_cannot_be_read_is_not_guessed(name: str, option: str, value: str) -> None:
    assert read(name, option, value) is None


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_example_number_of_every_region(region: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert read("phone", region, written) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@given(st.lists(st.one_of(st.none(), st.text(), st.emails())), st.sampled_from([*FormName]))
def test_a_form_keeps_the_rows_and_applied_twice_changes_nothing(values: list[str | None], name: FormName) -> None:
    option = {FormName.PHONE: "US", FormName.NATIONAL_ID: "us.ssn"}.get(name, "")
    form = canonical_form(name, option)
    once = form.column(pl.Series(values, dtype=pl.String))
    assert len(once) == len(values)
    assert form.column(once).equals(once)


def test_forms_and_options_have_labels_of_their_own() -> None:
    fields = [
        *(Field(FormName.PHONE, region=region) for region in ("GB", "DE")),
        *(Field(FormName.EMAIL, dots_and_plus=choice) for choice in (None, True)),
        Field(),
    ]
    labels = [field.form().label for field in fields]
    assert labels == ["phone/1 GB", "phone/1 DE", "email/1", "email/1 dots-and-plus", "text/1"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (Field(FormName.PHONE), "has no such region"),
        (Field(FormName.PHONE, region="UK"), "has no such region"),
        (Field(FormName.NATIONAL_ID, scheme="gb.nsh"), "no scheme"),
        (Field(FormName.TEXT, region="GB"), "belongs to canonical = 'phone'"),
        (Field(FormName.PHONE, region="GB", dots_and_plus=False), None),
    ],
)
def test_options_that_make_no_sense(field: Field, message: str | None) -> None:
    if message is None:
        assert field.form().label == "phone/1 GB"
        return
    with pytest.raises(PolicyError, match=message):
        field.form()
