"""Numbers with check digits, through `python-stdnum`: payment cards, and national numbers of persons."""

from __future__ import annotations

import re
from typing import Final

import polars as pl
from stdnum import get_cc_module, luhn
from stdnum.exceptions import ValidationError
from stdnum.util import clean

from pseudonymize.canonical.rest import one_by_one

_CARD: Final = re.compile(r"[0-9]{12,19}")  # ISO/IEC 7812
_SCHEME: Final = re.compile(r"([a-z]{2})\.([a-z0-9_]+)")


def card_column(values: pl.Series) -> pl.Series:
    """The digits of each card number, or nothing where they fail Luhn's check."""

    def form(value: str) -> str | None:
        digits = clean(value, " -").strip()
        return digits if _CARD.fullmatch(digits) and luhn.is_valid(digits) else None

    return one_by_one(values, form)


def national_id_column(values: pl.Series, *, scheme: str) -> pl.Series:
    """Each number in the compact form of its scheme, or nothing where the scheme refuses it."""
    country, name = scheme.split(".")
    module = get_cc_module(country, name)
    if module is None:
        raise ValueError(scheme)

    def form(value: str) -> str | None:
        try:
            return str(module.validate(value))
        except ValidationError:
            return None

    return one_by_one(values, form)


def known_scheme(scheme: str) -> bool:
    """Whether `python-stdnum` has this scheme, as 'gb.nhs'."""
    found = _SCHEME.fullmatch(scheme)
    return found is not None and hasattr(get_cc_module(*found.groups()), "validate")
