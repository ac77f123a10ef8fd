"""What the canonical forms read and what the scan of free text finds: `python -m benchmarks.pii_coverage [--out PAGE]`.

Values come from others: Faker's locales, the example numbers of `phonenumbers`, the examples in the docstrings of
`python-stdnum`. Texts are made of templates with such values in them, or with none, so that each is labelled. Draws are
seeded: the same versions of those libraries give the same page.
"""

from __future__ import annotations

import argparse
import doctest
import importlib
import pkgutil
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import faker
import phonenumbers
import polars as pl
import stdnum
from faker.config import AVAILABLE_LOCALES

from benchmarks.pii_texts import PLAIN, TEMPLATES
from pseudonymize import columns
from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.canonical.numbers import known_scheme
from pseudonymize.gate.text_scan import traces_in
from pseudonymize.gate.traces import rules
from pseudonymize.set_aside import Place, SetAside

SEED: Final = 7
LOCALES: Final = sorted(set(AVAILABLE_LOCALES) - {"fr_QC"})  # that one is fr_CA, and warns
WRITINGS: Final = {
    "E.164": phonenumbers.PhoneNumberFormat.E164,
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
}
DRAWS: Final = {  # a kind of value, and Faker's provider of it, where a locale has one
    "e-mail": "email",
    "telephone": "phone_number",
    "card": "credit_card_number",
    "IBAN": "iban",
    "IPv4": "ipv4",
    "IPv6": "ipv6",
    "national number": "ssn",
    "link": "url",
    "name": "name",
    "street": "street_address",
}
PAGE: Final = """# What the forms read and the scan finds

Written by `python -m benchmarks.pii_coverage --out docs/pii-coverage.md`, with {versions}.
`tests/pseudonymize/test_pii_coverage.py` holds the floors.

## Canonical forms

Values that others made, read in their form as what they stand for:

{forms}

What is not read goes to quarantine and is never guessed at.

## Recall of the scan of free text

Texts of templates in several languages (`benchmarks/pii_texts.py`) with one value in each, and how many of them were
noticed: by the scan that a field policy asks for with `action = "scan"`; by the release gate's, which looks at every
text that passes and must not stop at a barcode, as it is; and by the gate's with the text's country in `regions` (its
way of writing telephone numbers without a country code).

{recall}

**They find traces, not names.** Names and streets are found only where a long number happens to stand in them, and by
the gate where the raw files hold them (they are not in this table). Drop free text, or read it before it passes.
Telephone numbers, by Faker's locale, the worst for the policy's scan:

{locales}

## False alarms

Texts of a shop in which nobody is named; something was found all the same in:

{alarms}

A long number is a long number: the policy's scan cannot tell a barcode or a date from a telephone, and stops at all
three; a date may be of birth. Among telephones it misses numbers of six digits and fewer, as Luxembourg has them. The
gate asks for check digits, a country code or a country's way of writing, so that the titles of a catalogue pass.
"""


class Share(NamedTuple):
    """So many of so many."""

    of: str
    found: int
    all: int

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.found / self.all

    def __str__(self) -> str:
        return f"| {self.of} | {self.found:,} of {self.all:,} | {self.value:.1%} |"


class Text(NamedTuple):
    """A text, and what stands in it; `where` says of which locale or kind it is."""

    text: str
    kind: str
    where: str


class Coverage(NamedTuple):
    """All that is measured; recall and false alarms of each scan."""

    forms: list[Share]
    recall: dict[str, list[Share]]
    locales: list[Share]
    alarms: dict[str, list[Share]]


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    page = rendered(measured(10))
    if out is None:
        sys.stdout.write(page)
    else:
        out.write_text(page)


def measured(draws: int) -> Coverage:
    """Everything, with so many draws of each kind in each locale."""
    texts, plain = list(labelled(draws)), list(unlabelled(draws * 20))
    hits = {name: list(zip(texts, scan(texts), strict=True)) for name, scan in SCANS.items()}
    numbers = [(one, hit) for one, hit in hits[POLICY] if one.kind == "telephone"]
    by_locale = sorted(_shares((one.where, hit) for one, hit in numbers), key=lambda share: (share.value, share.of))
    return Coverage(
        [*telephones(), e_mails(draws), cards(draws), *nationals()],
        {name: _shares((one.kind, hit) for one, hit in of_scan) for name, of_scan in hits.items()},
        by_locale[:8],
        {
            name: _shares((one.where, hit) for one, hit in zip(plain, scan(plain), strict=True))
            for name, scan in SCANS.items()
            if name != AT_HOME
        },
    )


def by_policy(texts: Sequence[Text]) -> pl.Series:
    """Which texts the scan of a field policy sets aside."""
    aside = SetAside(Path("texts"), lenient=True)
    numbers = pl.Series(range(len(texts)))
    columns.scanned(pl.Series([one.text for one in texts]), Place(aside, "text", numbers))
    return ~aside.kept(numbers)


def by_gate(texts: Sequence[Text], regions: Sequence[str] = ()) -> pl.Series:
    """In which texts the release gate finds a trace."""
    found = traces_in(pl.Series([one.text for one in texts], dtype=pl.String), rules(regions, ()))
    return pl.DataFrame({trace.name: held for trace, held in found.items()}).select(pl.any_horizontal(pl.all()))[:, 0]


def by_gate_at_home(texts: Sequence[Text]) -> list[bool]:
    """The same, each text with the region of its locale named."""
    hit: dict[int, bool] = {}
    for locale in {one.where for one in texts}:
        region = locale.partition("_")[2]
        here = [place for place, one in enumerate(texts) if one.where == locale]
        known = [region] * (region in phonenumbers.SUPPORTED_REGIONS)
        hit |= dict(zip(here, by_gate([texts[place] for place in here], known), strict=True))
    return [hit[place] for place in range(len(texts))]


POLICY, AT_HOME = "a policy's scan", "the release gate, region named"
SCANS: Final[dict[str, Callable[[Sequence[Text]], Iterable[bool]]]] = {
    POLICY: by_policy,
    "the release gate": by_gate,
    AT_HOME: by_gate_at_home,
}


def labelled(draws: int) -> Iterator[Text]:
    """Texts with one value of a kind in each."""
    dice = random.Random(SEED)  # noqa: S311 - a draw that can be repeated
    for locale in LOCALES:
        fake = faker.Faker(locale)
        fake.seed_instance(SEED)
        for kind, provider in DRAWS.items():
            if hasattr(fake, provider):
                for _ in range(draws):
                    value = getattr(fake, provider)()
                    yield Text(dice.choice(TEMPLATES).format(value), kind, locale)


def unlabelled(draws: int) -> Iterator[Text]:
    """Texts of a shop in which nobody is named."""
    dice = random.Random(SEED)  # noqa: S311 - as above
    for kind, templates in PLAIN.items():
        for _ in range(draws):
            numbers = {"n": dice.randint(1, 999), "m": dice.randint(10, 99), "ean": dice.randint(10**12, 10**13 - 1)}
            yield Text(dice.choice(templates).format(**numbers), "", kind)


def telephones() -> Iterator[Share]:
    """The example numbers of every region and kind, in each way of writing, read as the E.164 that they are."""
    for label, writing in WRITINGS.items():
        right = seen = 0
        for region in sorted(phonenumbers.SUPPORTED_REGIONS):
            kinds = phonenumbers.PhoneNumberType.values()
            examples = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
            known = [number for number in examples if number is not None]
            written = [phonenumbers.format_number(number, writing) for number in known]
            read = canonical_form(FormName.PHONE, region).column(pl.Series(written, dtype=pl.String))
            wanted = [phonenumbers.format_number(number, WRITINGS["E.164"]) for number in known]
            right += sum(a == b for a, b in zip(read, wanted, strict=True))
            seen += len(known)
        yield Share(f"`phone`: examples of `phonenumbers`, {label}", right, seen)


def e_mails(draws: int) -> Share:
    """Addresses of Faker's locales."""
    values: list[str] = []
    for locale in LOCALES:
        fake = faker.Faker(locale)
        fake.seed_instance(SEED)
        values += [fake.email() for _ in range(draws)]
    read = canonical_form(FormName.EMAIL).column(pl.Series(values))
    return Share("`email`: Faker, all locales", read.count(), len(values))


def cards(draws: int) -> Share:
    """Numbers of every card network that Faker knows."""
    fake = faker.Faker()
    fake.seed_instance(SEED)
    kinds = ("amex", "diners", "discover", "jcb", "maestro", "mastercard", "visa", "visa13", "visa16", "visa19")
    values = [fake.credit_card_number(card_type=kind) for kind in kinds for _ in range(draws)]
    read = canonical_form(FormName.CARD).column(pl.Series(values))
    return Share("`card`: Faker, all networks", int((read == pl.Series(values)).sum()), len(values))


def nationals() -> Iterator[Share]:
    """The valid examples in the docstrings of every national scheme that may be named in a policy."""
    right = seen = 0
    for scheme, value, wanted in national_examples():
        read = canonical_form(FormName.NATIONAL_ID, scheme).column(pl.Series([value]))[0]
        right += read == wanted
        seen += 1
    yield Share("`national-id`: examples of `python-stdnum`, all countries", right, seen)


def national_examples() -> Iterator[tuple[str, str, str]]:
    """Scheme, a way of writing, and what `validate` makes of it, as the docstrings show it."""
    for found in pkgutil.walk_packages(stdnum.__path__, "stdnum."):
        scheme = found.name.removeprefix("stdnum.").replace("_.", ".")
        if found.ispkg or not known_scheme(scheme):
            continue
        module = importlib.import_module(found.name)
        for example in doctest.DocTestParser().get_examples(module.__doc__ or ""):
            call = example.source.strip()
            alone = call.startswith("validate('") and call.endswith("')") and "', " not in call
            if alone and example.exc_msg is None:
                yield scheme, call[10:-2], example.want.strip().strip("'")


def rendered(coverage: Coverage) -> str:
    """The page."""
    return PAGE.format(
        versions=f"Faker {faker.VERSION}, phonenumbers {phonenumbers.__version__}, python-stdnum {stdnum.__version__}",
        forms=_table("values", coverage.forms),
        recall=_side_by_side("what stands in the text", coverage.recall),
        locales=_table("locale", coverage.locales),
        alarms=_side_by_side("kind of text", coverage.alarms),
    )


def _shares(hits: Iterable[tuple[str, bool]]) -> list[Share]:
    counts: dict[str, list[bool]] = {}
    for of, hit in hits:
        counts.setdefault(of, []).append(hit)
    return [Share(of, sum(hit), len(hit)) for of, hit in counts.items()]


def _table(of: str, shares: list[Share]) -> str:
    return "\n".join([f"| {of} | | |", "|---|---|---|", *map(str, shares)])


def _side_by_side(of: str, scans: Mapping[str, list[Share]]) -> str:
    head = f"| {of} | {' | '.join(scans)} | texts |"
    rows = [
        f"| {row[0].of} | {' | '.join(f'{share.value:.1%}' for share in row)} | {row[0].all:,} |"
        for row in zip(*scans.values(), strict=True)
    ]
    return "\n".join([head, "|---" * (len(scans) + 2) + "|", *rows])


if __name__ == "__main__":
    main()
