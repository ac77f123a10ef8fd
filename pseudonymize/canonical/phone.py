"""Phone numbers, in E.164, through `phonenumbers`; an extension stays, or an office would be one person."""

from __future__ import annotations

import phonenumbers
import polars as pl

from pseudonymize.canonical.rest import one_by_one


def phone_column(values: pl.Series, *, region: str) -> pl.Series:
    """The number in each cell, or nothing; those without a country code are numbers of `region`."""

    def form(value: str) -> str | None:
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            return None
        # Possible, not valid: which blocks of numbers are in use changes with every edition of the library.
        if not phonenumbers.is_possible_number(number):
            return None
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return f"{written};ext={number.extension}" if number.extension else written

    return one_by_one(values, form)


def known_region(region: str) -> bool:
    """Whether phone numbers of this region are known, by its ISO 3166 code."""
    return region in phonenumbers.SUPPORTED_REGIONS
