"""E-mail addresses.

White space at the ends goes, and the whole address is compatibility-composed and case folded: RFC 5321 lets a server
tell `Ada@` from `ada@`, and none does. A domain in another script is written as the name system has it (IDNA). With
`dots_and_plus`, what Gmail ignores in the local part goes too, for gmail.com alone, as UID2 publishes it; elsewhere
`a.b@` and `ab@` are two people.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from pseudonymize.canonical.rest import one_by_one
from pseudonymize.canonical.text import text_column
from pseudonymize.parts import Parts

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Control and format characters (NUL, right-to-left marks) stand in no address: they come from a copy gone wrong.
_ADDRESS: Final = rf"^([^@\s\p{{C}}]{{1,64}})@((?:{_LABEL}\.)+{_LABEL})$"
# An address that is in its form already, as most are: cheap to see, since it has neither hyphens nor long labels.
_SIMPLE: Final = r"^[!-?A-~]+@(?:[a-z0-9]+\.)+[a-z0-9]+$"
_SIMPLE_BYTES: Final = 64
_GMAIL: Final = "gmail.com"
# The same of many, between quotes, and without any of their own, which would run from one value into the next; what was
# matched is not looked at again, so that a fault is found in one go.
_ALL_SIMPLE: Final = re.compile(rb'(?:"[!#-?A-~]++@(?:[a-z0-9]++\.)++[a-z0-9]++",?+)*+\0*+')


def all_simple(parts: Parts, *, dots_and_plus: bool) -> bool:
    """Whether all values, of visible ASCII in lower case and between quotes, are addresses in their form.

    Some that are go unnoticed.
    """
    data, _, lengths = parts
    written = data.tobytes()
    if lengths.max() > _SIMPLE_BYTES or (dots_and_plus and f'@{_GMAIL}"'.encode() in written):
        return False
    return _ALL_SIMPLE.fullmatch(written) is not None


def email_column(values: pl.Series, *, dots_and_plus: bool) -> pl.Series:
    """The address in each cell, or nothing."""
    written = text_column(values)
    done = written.str.contains(_SIMPLE) & (written.str.len_bytes() <= _SIMPLE_BYTES)
    if dots_and_plus:
        done &= ~written.str.ends_with(f"@{_GMAIL}")
    rest = ~done.fill_null(value=True)
    if not rest.any():
        return written
    return written.scatter(rest.arg_true(), _addresses(written.filter(rest), dots_and_plus=dots_and_plus))


def _addresses(written: pl.Series, *, dots_and_plus: bool) -> pl.Series:
    local, domain = _half(written, 1), _half(written, 2).str.strip_suffix(".")
    foreign = (domain.str.len_bytes() != domain.str.len_chars()).fill_null(value=False)
    if foreign.any():
        domain = domain.scatter(foreign.arg_true(), one_by_one(domain.filter(foreign), _name_system))
    if dots_and_plus:
        plain = local.str.replace(r"\+.*$", "").str.replace_all(".", "", literal=True)
        local = pl.select(pl.when(domain == _GMAIL).then(plain).otherwise(local)).to_series()
    whole = local + "@" + domain
    return whole.set(~whole.str.contains(_ADDRESS).fill_null(value=True), None)


def _half(written: pl.Series, number: int) -> pl.Series:
    return written.str.extract(r"^([^@]*)@([^@]*)$", number)


def _name_system(domain: str) -> str | None:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
