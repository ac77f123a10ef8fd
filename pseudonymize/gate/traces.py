"""What gives a person away in a piece of text, one rule a kind. Each looks at one text and says yes or no.

A rule finds forms, not meanings: numbers with their check digits, addresses with their signs. Names have no form; those
that the raw files hold are looked for as they are (`pseudonymize.gate.canaries`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

import phonenumbers
from stdnum import ean, get_cc_module, iban, luhn
from stdnum.exceptions import ValidationError
from stdnum.util import clean


class Trace(StrEnum):
    """What was found."""

    EMAIL = "an e-mail address"
    PHONE = "a telephone number"
    CARD = "a payment card number"
    IBAN = "a bank account (IBAN)"
    NATIONAL_ID = "a national identity number"
    IP = "an IP address"
    NAME = "a name or identifier of the raw files"


Rule = Callable[[str], bool]

# What a text must hold to be looked at at all; the engine behind it knows no look-around and is fast.
HINTS: Final = {
    Trace.EMAIL: r"@",
    Trace.PHONE: r"(?:\d[ ()./-]{0,3}){7}",
    Trace.CARD: r"(?:\d[ -]?){12}",
    Trace.IBAN: r"(?i)[a-z]{2}[ -]?\d{2}(?:[ -]?[a-z0-9]){11}",
    Trace.NATIONAL_ID: r"\d{2}.*\d",
    Trace.IP: r"\d\.\d|:[0-9a-fA-F]*:",
}

_DOTTED: Final = re.compile(r"[^\s@<>()\[\],;:\"]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,}")
_DOTLESS: Final = re.compile(r"[^\W\d_][\w.+-]+@[^\W\d_][\w-]+")
# Words end at ASCII letters and digits only: in Japanese, a number stands between letters without a space.
_ABROAD: Final = re.compile(r"(?<![\w+])(?:\+|00)[ (]{0,2}\d(?:[ ()./-]{0,3}\d){6,14}(?!\d)", re.ASCII)
_AT_HOME: Final = re.compile(
    r"(?<![\w.,+-])(?:(?:\([2-9]\d{2}\)[ .-]{0,2}|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"  # North America
    r"|\(?0[1-9]\d{0,3}\)?[ ./-]{1,2}\d(?:[ ./-]?\d){4,9})(?![\d-])",  # where a trunk prefix is dialled
    re.ASCII,
)
_CARD: Final = re.compile(r"(?<![\w-])\d(?:[ -]?\d){11,18}(?![\w-])", re.ASCII)
# Issuers' numbers and lengths, ISO/IEC 7812: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay,
# Maestro.
_ISSUED: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d{2}|4[4-9]\d)\d{12}|35\d{14}|(?:2131|1800)\d{11}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)
_IBAN: Final = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[ -]?\d{2}(?:[ -]?[A-Z0-9]){11,30}")
_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)", re.ASCII)
_IPV6: Final = re.compile(r"[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,}")
_CODE: Final = re.compile(r"\d+")
_GTIN_LENGTHS: Final = frozenset({8, 12, 13, 14})
_LONGEST_RETAIL: Final = 13  # digits of a barcode at a till
_IBAN_SHORTEST: Final = 15
_ONE_WORD: Final = re.compile(r"[ -]")
_FEW_GROUPS: Final = 3  # of hexadecimal digits: `a::b` is as likely C++ as an address
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_PARTS: Final = 5  # that a number is written in

# National numbers as people write them. Bare digits are looked for only where the policy names the scheme.
_NATIONAL: Final = {
    "us.ssn": r"\d{3}-\d{2}-\d{4}",
    "gb.nino": r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
    "gb.nhs": r"\d{3}[ -]\d{3}[ -]\d{4}",
    "fr.nir": r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}",
    "es.dni": r"\d{8}-?[A-Z]",
    "es.nie": r"[XYZ]-?\d{7}-?[A-Z]",
    "it.codicefiscale": r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]",
    "fi.hetu": r"\d{6}[-+A]\d{3}[0-9A-Y]",
    "se.personnummer": r"(?:\d{2})?\d{6}[-+]\d{4}",
    "dk.cpr": r"\d{6}-\d{4}",
    "ch.ssn": r"756\.\d{4}\.\d{4}\.\d{2}",
    "br.cpf": r"\d{3}\.\d{3}\.\d{3}-\d{2}",
    "de.idnr": r"\d{2} \d{3} \d{3} \d{3}",
    "in_.aadhaar": r"\d{4} \d{4} \d{4}",
    "pl.pesel": r"\d{11}",
    "kr.rrn": r"\d{6}-\d{7}",
    "mx.curp": r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d",
    "be.nn": r"\d{2}\.\d{2}\.\d{2}-\d{3}[. -]\d{2}",
}
_SHAPES: Final = {
    scheme: re.compile(rf"(?<![\w.-]){shape}(?![\w-])", re.IGNORECASE | re.ASCII) for scheme, shape in _NATIONAL.items()
}


def rules(regions: Iterable[str], schemes: Iterable[str]) -> dict[Trace, Rule]:
    """The rules for text in which anything may stand.

    Args:
        regions: Whose telephone numbers are looked for without a country code, by ISO 3166.
        schemes: National numbers that are looked for in any way of writing, as python-stdnum names them.
    """
    at_home, national = tuple(regions), tuple(schemes)
    return {
        Trace.EMAIL: is_email,
        Trace.PHONE: lambda text: is_phone(text, at_home),
        Trace.CARD: is_card,
        Trace.IBAN: is_iban,
        Trace.NATIONAL_ID: lambda text: is_national_id(text, national),
        Trace.IP: is_ip,
    }


def is_code(text: str) -> bool:
    """Whether a cell is nothing but digits, as item numbers are: no telephone or national number is looked for."""
    return _CODE.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """An address with a domain that has a dot, or with letters alone before and behind the sign."""
    return _DOTTED.search(text) is not None or _DOTLESS.search(text) is not None


def is_phone(text: str, regions: tuple[str, ...]) -> bool:
    """A possible number with its country code, one in the writing of its country, or a valid one of `regions`."""
    for found in _ABROAD.finditer(text):
        written = re.sub(r"^00", "+", found.group()).replace("(0)", "")
        try:
            if phonenumbers.is_possible_number(phonenumbers.parse(written, None)):
                return True
        except phonenumbers.NumberParseException:
            continue
    if _AT_HOME.search(text) is not None:
        return True
    return any(phonenumbers.PhoneNumberMatcher(text, region).has_next() for region in regions)


def is_card(text: str) -> bool:
    """Digits of an issuer's length and number that pass Luhn's check.

    A cell that is a trade item number is none, nor are twelve or thirteen digits in one go that are one: a barcode of
    Germany begins as Visa's old numbers do, and one in ten passes Luhn's check.
    """
    if is_code(text) and _is_barcode(text):
        return False
    for found in _CARD.finditer(text):
        digits = clean(found.group(), " -")
        barcode = found.group() == digits and len(digits) <= _LONGEST_RETAIL and _is_barcode(digits)
        if not barcode and _ISSUED.fullmatch(digits) and luhn.is_valid(digits):
            return True
    return False


def is_iban(text: str) -> bool:
    """A number that passes the check of ISO 13616: with its country's structure, or written as one word."""
    for found in _IBAN.finditer(text.upper()):
        digits = clean(found.group(), " -")
        if any(iban.is_valid(digits[:length]) for length in range(15, len(digits) + 1)):
            return True
        word = _ONE_WORD.split(found.group(), maxsplit=1)[0]  # of a country whose structure is not known
        if len(word) >= _IBAN_SHORTEST and iban.calc_check_digits(word) == word[2:4]:
            return True
    return False


def is_national_id(text: str, schemes: tuple[str, ...]) -> bool:
    """A number in its country's writing, or in any for `schemes`, whose check digits fit."""
    for scheme, shape in _SHAPES.items():
        if any(_valid(scheme, found.group()) for found in shape.finditer(text)):
            return True
    if not schemes:
        return False
    parts = _WORD.findall(text)
    runs = {"".join(parts[a:b]) for a in range(len(parts)) for b in range(a + 1, min(a + _MOST_PARTS, len(parts)) + 1)}
    return any(_valid(scheme, run) for scheme in schemes for run in runs if any(map(str.isdigit, run)))


def is_ip(text: str) -> bool:
    """An address of version 4 in four numbers, or one of version 6 in at least three groups."""
    if any(_address(found.group()) for found in _IPV4.finditer(text)):
        return True
    for found in _IPV6.finditer(text):
        whole, behind = found.group(), found.group().partition(":")[2]
        written = (whole, behind, whole.strip(":"), behind.strip(":"))
        if any(_address(said) for said in written if len([part for part in said.split(":") if part]) >= _FEW_GROUPS):
            return True
    return False


def _is_barcode(digits: str) -> bool:
    return len(digits) in _GTIN_LENGTHS and bool(ean.is_valid(digits))


def _valid(scheme: str, number: str) -> bool:
    module = get_cc_module(*scheme.split("."))
    if module is None:  # a number without check digits, whose writing is all there is
        return True
    try:
        return bool(module.validate(number.upper()))
    except ValidationError:
        return False


def _address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False
