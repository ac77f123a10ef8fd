"""Invented identities: nobody's names, phone numbers reserved for fiction, e-mail domains reserved for examples."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

import numpy as np
import polars as pl
from chance import stream
from faker import Faker
from faker.decode import unidecode

# Where names come from, and how often. Names only: they all live where the shops are.
_LOCALES: Final = {
    "en_US": 0.50,
    "es_MX": 0.14,
    "vi_VN": 0.06,
    "de_DE": 0.06,
    "pl_PL": 0.06,
    "fr_FR": 0.06,
    "tr_TR": 0.04,
    "cs_CZ": 0.04,
    "el_GR": 0.02,
    "ja_JP": 0.02,
}
_DOMAINS: Final = ("example.com", "example.net", "example.org")  # RFC 2606
_AREAS: Final = (
    205, 212, 216, 303, 305, 313, 314, 317, 404, 405, 410, 412, 415, 502, 503, 504, 505, 512, 513, 515,
    602, 612, 614, 615, 617, 702, 704, 713, 717, 801, 804, 808, 813, 816, 901, 904, 907, 913, 919, 937,
)  # fmt: skip
_FICTION: Final = range(100, 200)  # 555-0100 to 555-0199 in every area
_PHONE_FORMS: Final = ("({}) {}-{}", "{}-{}-{}", "+1 {} {} {}")
_CARD_PREFIX: Final = "9840"  # ISO/IEC 7812: for national use (9), in the United States (840); no bank's
_CARD_DIGITS: Final = 11  # between the prefix and the check digit
_YEAR: Final = 2017  # an age band holds on each day of it
_OLDEST: Final = 89
_OFTEN: Final = 0.95


def invent_people(households: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Give each household a person.

    Args:
        households: `household_id` in order, and the `age` band where it is known.
        seed: The same seed, the same people (with the same version of Faker).

    Returns:
        household_id, loyalty_card, name, email, phone, birth_date, address; no card, e-mail or phone twice.
    """
    count = households.height
    births = _birth_dates(households["age"], seed)
    names = _names(count, seed)
    return households.select("household_id").with_columns(
        pl.Series("loyalty_card", _cards(count, seed)),
        pl.Series("name", names),
        pl.Series("email", _emails(names, births, seed)),
        pl.Series("phone", _phones(count, seed)),
        pl.Series("birth_date", births),
        pl.Series("address", _addresses(count, seed)),
    )


def _names(count: int, seed: int) -> list[str]:
    sources = {locale: Faker(locale) for locale in _LOCALES}
    for source in sources.values():
        source.seed_instance(seed)
    drawn = stream(seed, "locales").choice(list(_LOCALES), size=count, p=list(_LOCALES.values()))
    return [f"{sources[locale].first_name()} {sources[locale].last_name()}" for locale in drawn]


def _addresses(count: int, seed: int) -> list[str]:
    fake = Faker("en_US")
    fake.seed_instance(seed)
    return [_address(fake) for _ in range(count)]


def _address(fake: Faker) -> str:
    state = fake.state_abbr(include_territories=False, include_freely_associated_states=False)
    return f"{fake.street_address()}, {fake.city()}, {state} {fake.postcode_in_state(state)}"


def _cards(count: int, seed: int) -> list[str]:
    drawn = stream(seed, "cards").integers(0, 10**_CARD_DIGITS, size=2 * count)
    bodies = list(dict.fromkeys(drawn.tolist()))[:count]
    return [_with_check_digit(f"{_CARD_PREFIX}{body:0{_CARD_DIGITS}}") for body in bodies]


def _with_check_digit(digits: str) -> str:
    """Append the Luhn check digit (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * 2 for digit in reversed(digits)][::2]
    plain = [int(digit) for digit in reversed(digits)][1::2]
    total = sum(plain) + sum(value - 9 if value > 9 else value for value in doubled)  # noqa: PLR2004 - digits' sum
    return f"{digits}{-total % 10}"


def _phones(count: int, seed: int) -> list[str]:
    random = stream(seed, "phones")
    numbers = [(area, line) for area in _AREAS for line in _FICTION]
    places = random.permutation(len(numbers))[:count]
    forms = random.choice(_PHONE_FORMS, size=count)
    return [
        str(form).format(numbers[place][0], 555, f"0{numbers[place][1]}")
        for place, form in zip(places, forms, strict=True)
    ]


def _birth_dates(ages: pl.Series, seed: int) -> list[dt.date]:
    """Dates that keep each person within the age band throughout the year of the data; nobody is a minor."""
    random = stream(seed, "births")
    known = ages.drop_nulls().to_list()
    bands = [
        band or known[place] for band, place in zip(ages, random.integers(len(known), size=len(ages)), strict=True)
    ]
    return [_birth_date(band, random) for band in bands]


def _birth_date(band: str, random: np.random.Generator) -> dt.date:
    youngest, _, oldest = band.partition("-") if "-" in band else (band.rstrip("+"), "", str(_OLDEST))
    first = dt.date(_YEAR - int(oldest), 1, 1)
    last = dt.date(_YEAR - int(youngest), 1, 1)
    return first + dt.timedelta(days=int(random.integers((last - first).days + 1)))


def _emails(names: list[str], births: list[dt.date], seed: int) -> list[str]:
    random = stream(seed, "emails")
    taken: set[str] = set()
    emails = []
    for name, birth in zip(names, births, strict=True):
        first, *_, last = re.sub(r"[^a-z ]", "", unidecode(name).casefold()).split()
        local = (f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}{birth:%y}")[random.integers(3)]
        domain = _DOMAINS[random.integers(len(_DOMAINS))]
        typed = str.lower if random.random() < _OFTEN else str.title  # some people write it with capitals
        number = 1
        while f"{local}{number if number > 1 else ''}@{domain}" in taken:
            number += 1
        email = f"{local}{number if number > 1 else ''}@{domain}"
        taken.add(email)
        emails.append(typed(email))
    return emails
