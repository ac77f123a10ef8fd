"""Canonical forms: what makes two ways of writing one identifier the same person.

A form has a version and may have an option (the region of a phone number, …). Both are part of its label and so of the
key: a changed rule makes new tokens and never silently merges people. A value that cannot be read in its form is not
guessed at; the run sets its row aside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import polars as pl

from pseudonymize.canonical.date import date_column
from pseudonymize.canonical.email import all_simple, email_column
from pseudonymize.canonical.numbers import card_column, known_scheme, national_id_column
from pseudonymize.canonical.phone import known_region, phone_column
from pseudonymize.canonical.text import text_column
from pseudonymize.parts import Parts
from recsys.errors import PolicyError

MAX_BYTES: Final = 1024  # longer than any identifier: a cell that holds a document is a mistake
DOTS_AND_PLUS: Final = "dots-and-plus"  # the option of e-mail

Column = Callable[[pl.Series], pl.Series]
Met = Callable[[Parts], bool]


class FormName(StrEnum):
    """The canonical forms that a field policy may name."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    NATIONAL_ID = "national-id"
    DATE = "date"


def _never(_: Parts) -> bool:
    return False


def _always(_: Parts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class CanonicalForm:
    """A canonical form.

    Args:
        label: Name, version and option, as they enter the derivation of keys.
        column: The form of a whole text column; empty where the cell is, and where it cannot be read.
        unread: What is wrong with a cell that is filled and cannot be read.
        slow: Whether a library works it out one value at a time: some 20 µs each.
        met: Whether values of visible ASCII, none empty, in lower case and between quotes, are surely in the form.
    """

    label: str
    column: Column
    unread: str
    slow: bool = False
    met: Met = _never


_VERSION: Final = 1  # of every form, so far


def canonical_form(name: FormName, option: str = "") -> CanonicalForm:
    """The form that a field policy names.

    Raises:
        PolicyError: An option that the form does not have.
    """
    label = f"{name}/{_VERSION} {option}".strip()
    match name:
        case FormName.TEXT:
            return CanonicalForm(label, text_column, "holds nothing but white space", met=_always)
        case FormName.EMAIL:
            column = partial(email_column, dots_and_plus=option == DOTS_AND_PLUS)
            simple = partial(all_simple, dots_and_plus=option == DOTS_AND_PLUS)
            return CanonicalForm(label, column, "is not an e-mail address", met=simple)
        case FormName.PHONE:
            if not known_region(option):
                raise PolicyError("has no such region", where="region", mend="Write two capital letters: 'GB', 'DE'")
            return CanonicalForm(
                label, partial(phone_column, region=option), f"is not a phone number in {option}", slow=True
            )
        case FormName.CARD:
            return CanonicalForm(label, card_column, "is not a card number: its check digit is wrong", slow=True)
        case FormName.NATIONAL_ID:
            if not known_scheme(option):
                mend = "Write country and number as python-stdnum does: 'gb.nhs', 'de.idnr', 'us.ssn'"
                raise PolicyError("is no scheme of national numbers", where="scheme", mend=mend)
            return CanonicalForm(
                label, partial(national_id_column, scheme=option), f"is not a number of {option}", slow=True
            )
        case FormName.DATE:
            return CanonicalForm(label, partial(date_column, layout=option), "is not a date")


def form_labelled(label: str) -> CanonicalForm:
    """The form that a label was made by."""
    name_and_version, _, option = label.partition(" ")
    return canonical_form(FormName(name_and_version.partition("/")[0]), option)
