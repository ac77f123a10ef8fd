"""What the canonical forms read and what the scan of free text finds: `python -m benchmarks.pii_coverage [--out PAGE]`.

Values come from others: Faker's locales, the example numbers of `phonenumbers`, the examples in the docstrings of
`python-stdnum`. Texts are made of templates with such values in them, or with none, so that each is labelled. Draws are
seeded: the same versions of those libraries give the same page.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import faker
import phonenumbers
import polars as pl
import stdnum
from stdnum import ean

from benchmarks.pii_examples import (
    LOCALES,
    SEED,
    Share,
    Text,
    bank_examples,
    cards,
    e_mails,
    in_text,
    journey_titles,
    names_as_canaries,
    national_examples,
    nationals,
    telephone_examples,
    telephones,
)
from benchmarks.pii_texts import PLAIN, TEMPLATES
from pseudonymize import columns
from pseudonymize.gate.text_scan import traces_in
from pseudonymize.gate.traces import rules
from pseudonymize.set_aside import Place, SetAside

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
way of writing telephone numbers without a country code), or the number's scheme in `national_ids`.

{recall}

"Examples" are those of `phonenumbers`, of every region and kind of number, and of the docstrings of `python-stdnum`, a
third of whose schemes are of firms or have fewer than seven digits; it has no payment cards, so the cards are Faker's.

**They find traces, not names.** Names and streets are found only where a long number happens to stand in them, and by
the gate where the raw files hold them. So, Faker's names as raw names, whole or in two columns, in the same texts:

{names}

Missed are names in a Japanese sentence, whose words no space parts, and those of fewer than four letters. A name of one
word is not looked for: by itself, a `Rose` in a title is a wine. Drop free text, or read it before it passes. Telephone
numbers, by Faker's locale, the worst for the policy's scan:

{locales}

## False alarms

Texts of a shop in which nobody is named, each counted once, and all titles of Complete Journey's goods; something was
found all the same in:

{alarms}

A long number is a long number: the policy's scan cannot tell a barcode or a date from a telephone, and stops at all
three; a date may be of birth. Among telephones it misses numbers of six digits and fewer, as Luxembourg has them. The
gate asks for check digits, a country code or a country's way of writing, so that the titles of a catalogue pass.
"""


class Coverage(NamedTuple):
    """All that is measured; recall and false alarms of each scan."""

    forms: list[Share]
    recall: dict[str, list[Share]]
    names: list[Share]
    locales: list[Share]
    alarms: dict[str, list[Share]]
    strangers: Share


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
    texts, plain = [*labelled(draws), *examples()], list(unlabelled(draws * 20))
    names, strangers = names_as_canaries(draws)
    hits = {name: list(zip(texts, scan(texts), strict=True)) for name, scan in SCANS.items()}
    numbers = [(one, hit) for one, hit in hits[POLICY] if one.kind == "telephone"]
    by_locale = sorted(_shares((one.where, hit) for one, hit in numbers), key=lambda share: (share.value, share.of))
    return Coverage(
        [*telephones(), e_mails(draws), cards(draws), *nationals()],
        {name: _shares((one.kind, hit) for one, hit in of_scan) for name, of_scan in hits.items()},
        names,
        by_locale[:8],
        {
            name: _shares((one.where, hit) for one, hit in zip(plain, scan(plain), strict=True))
            for name, scan in ALARMS.items()
        },
        strangers,
    )


def by_policy(texts: Sequence[Text]) -> pl.Series:
    """Which texts the scan of a field policy sets aside."""
    aside = SetAside(Path("texts"), lenient=True)
    numbers = pl.Series(range(len(texts)))
    columns.scanned(pl.Series([one.text for one in texts]), Place(aside, "text", numbers))
    return ~aside.kept(numbers)


def by_gate(texts: Sequence[Text], regions: Sequence[str] = (), schemes: Sequence[str] = ()) -> pl.Series:
    """In which texts the release gate finds a trace."""
    found = traces_in(pl.Series([one.text for one in texts], dtype=pl.String), rules(regions, schemes))
    return pl.DataFrame({trace.name: held for trace, held in found.items()}).select(pl.any_horizontal(pl.all()))[:, 0]


def by_gate_at_home(texts: Sequence[Text]) -> list[bool]:
    """The same, with the region of each text's locale, or the scheme of its number, named."""
    hit: dict[int, bool] = {}
    for where in {one.where for one in texts}:
        region = where.partition("_")[2]
        here = [place for place, one in enumerate(texts) if one.where == where]
        regions, schemes = [region] * (region in phonenumbers.SUPPORTED_REGIONS), [where] * ("." in where)
        hit |= dict(zip(here, by_gate([texts[place] for place in here], regions, schemes), strict=True))
    return [hit[place] for place in range(len(texts))]


def by_gate_of_four(texts: Sequence[Text]) -> pl.Series:
    """The same, with four countries and a scheme of each named: what that costs in false alarms."""
    return by_gate(texts, ("DE", "FR", "GB", "US"), ("de.idnr", "fr.nir", "gb.nhs", "us.ssn"))


POLICY, GATE, AT_HOME = "a policy's scan", "the release gate", "the release gate, region or scheme named"
SCANS: Final[dict[str, Callable[[Sequence[Text]], Iterable[bool]]]] = {
    POLICY: by_policy,
    GATE: by_gate,
    AT_HOME: by_gate_at_home,
}
ALARMS: Final[dict[str, Callable[[Sequence[Text]], Iterable[bool]]]] = {
    POLICY: by_policy,
    GATE: by_gate,
    "the release gate, DE, FR, GB and US named": by_gate_of_four,
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


def examples() -> Iterator[Text]:
    """Texts with the examples of `phonenumbers` and `python-stdnum`."""
    numbers = [(value, "national number example", scheme) for scheme, value, _ in national_examples()]
    yield from in_text([*telephone_examples(), *((value, "IBAN example", "") for value in bank_examples()), *numbers])


def unlabelled(draws: int) -> Iterator[Text]:
    """Texts of a shop in which nobody is named, each once."""
    dice = random.Random(SEED)  # noqa: S311 - as above
    for kind, templates in PLAIN.items():
        texts = set()
        for _ in range(draws):
            code = str(dice.randint(10**11, 10**12 - 1))
            numbers = {"n": dice.randint(1, 999), "m": dice.randint(10, 99), "ean": code + ean.calc_check_digit(code)}
            texts.add(dice.choice(templates).format(**numbers))
        yield from (Text(text, "", kind) for text in sorted(texts))
    yield from (Text(title, "", "titles of Complete Journey") for title in journey_titles())


def rendered(coverage: Coverage) -> str:
    """The page."""
    return PAGE.format(
        versions=f"Faker {faker.VERSION}, phonenumbers {phonenumbers.__version__}, python-stdnum {stdnum.__version__}",
        forms=_table("values", coverage.forms),
        recall=_side_by_side("what stands in the text", coverage.recall),
        names=_table("a name of the raw files, in a text", [*coverage.names, coverage.strangers]),
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
