"""A first draft of a field policy, from a file. It errs on the side of dropping, and somebody has to read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize.canonical import FormName, canonical_form
from pseudonymize.inputs import open_raw
from recsys.contracts.subjects import PURPOSE_PATTERN

_BATCHES: Final = 4  # looked at: enough to see what a column holds
_MOST: Final = 0.9  # of the filled cells, for a column to be of a kind
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_DATE: Final = r"^\d{4}-\d\d-\d\d"
_DROP: Final = 'role = "drop"'


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: pl.Series  # filled ones, as text

    def named(self, pattern: str) -> bool:
        """Whether the column's name holds a word."""
        return re.search(pattern, self.name, re.IGNORECASE) is not None

    def mostly(self, form: FormName, option: str = "") -> bool:
        """Whether most cells can be read in a canonical form."""
        sample = self.cells.unique(maintain_order=True).head(1000)
        return len(sample) > 0 and canonical_form(form, option).column(sample).count() >= _MOST * len(sample)

    def matches(self, pattern: str) -> bool:
        """Whether most cells match."""
        return len(self.cells) > 0 and int(self.cells.str.contains(pattern).sum()) >= _MOST * len(self.cells)


_Rule = tuple[Callable[[_Column], bool], str, str]
_DROPPED: Final = 'role = "identifier", action = "drop"'
_SENSITIVE: Final = r"health|diagnos|religio|ethnic|race|union|politic|sexual|disab|medic|allerg"

# The first rule that holds, from what is most telling on: a test, the role, and why.
_RULES: Final[tuple[_Rule, ...]] = (
    (lambda c: c.mostly(FormName.EMAIL), _DROPPED, "e-mail addresses"),
    (lambda c: c.named(r"phone|mobile|tel\b") or c.matches(r"^\+[0-9][0-9 ()-]{7,}$"), _DROPPED, "telephone numbers"),
    (lambda c: c.named(r"(?:^|_)(?:first|last|sur|full)?_?name$|address|street"), _DROPPED, "names people"),
    (lambda c: c.named(_SENSITIVE), 'role = "sensitive"', "special categories of GDPR, article 9, by its name"),
    (lambda c: c.named(r"note|comment|remark|message|free_?text"), 'role = "free-text", action = "drop"', "free text"),
    (
        lambda c: c.named(r"(?:^|_)ip(?:_|$)|device|cookie|iban|passport|(?:^|_)(?:ssn|tax)"),
        _DROPPED,
        "names people or their things",
    ),
)


def _day(what: str) -> _Rule:
    why = f"the minute of a {what} singles people out"
    return (lambda c: c.matches(_DATE), 'role = "quasi", generalise = "day", to = "day"', why)


_PURCHASE_RULES: Final[tuple[_Rule, ...]] = (
    (
        lambda c: c.named(r"receipt|basket|transaction|order|invoice"),
        'role = "identifier", action = "tokenise", field = "receipt", to = "basket"',
        "holds a receipt together",
    ),
    _day("purchase"),
    (lambda c: c.named(r"item|product|sku|article|ean|upc"), 'role = "feature", to = "item"', "what was sold"),
    (lambda c: c.named(r"quantity|qty|units"), 'role = "feature", to = "quantity"', "how many"),
    (lambda c: c.named(r"value|amount|price|total|sales"), 'role = "feature", to = "value"', "what was paid"),
    (lambda c: c.named(r"channel"), 'role = "feature", to = "channel"', "where it was bought"),
)
_REDEMPTION_RULES: Final[tuple[_Rule, ...]] = (
    (lambda c: c.named(r"offer|coupon|voucher"), 'role = "evaluation", to = "offer_id"', "which offer was taken"),
    _day("redemption"),
)
_PEOPLE_RULES: Final[tuple[_Rule, ...]] = (
    (
        lambda c: c.named(r"birth|dob") and c.matches(_DATE),
        'role = "quasi", generalise = "adult", to = "adult"',
        "of age or not is enough",
    ),
    (
        lambda c: c.named(r"post_?code|zip"),
        'role = "quasi", generalise = "prefix", length = 2, to = "region"',
        "the whole code singles people out",
    ),
    (
        lambda c: c.named(r"gender|sex|age|income|household|marital|kids|children"),
        'role = "evaluation", set = "demographics"',
        "never learned from: only for judging",
    ),
    (lambda c: c.named(r"store|shop|branch"), 'role = "feature", to = "store"', "a segment"),
    (lambda c: c.named(r"interest"), 'role = "feature", to = "interests"', "declared by the person"),
)
_FED_BY: Final = {"purchases": _PURCHASE_RULES, "redemptions": _REDEMPTION_RULES, "subjects": _PEOPLE_RULES}
_CONSENT: Final = re.compile(r"consent|opt[-_ ]?in|agree|permission", re.IGNORECASE)


def suggest(file: Path) -> str:
    """A field policy in TOML for one file, with the reason beside every column; it is valid, and may be incomplete."""
    columns = _columns(file)
    person = _person(columns)
    feeds = _feeds(columns)
    receipts = feeds == "purchases"
    rules = (*_RULES, *_FED_BY[feeds])
    head = [
        f"# A draft, from {len(columns)} columns of one file. Read every line: it knows names and forms, not meanings.",
        "version = 1",
        "",
        "[fields.person]",
        'canonical = "text"',
        *(["[fields.receipt]", 'canonical = "text"'] if receipts else []),
        "",
        f"[tables.{feeds}]",
        f"match = {json.dumps(file.stem + '*')}",
        f'feeds = "{feeds}"',
        'purpose = "" # why this is collected; `record` prints it',
        *(["drop_zero_quantity = true # deposit and coupon lines"] if receipts else []),
        'retention = "" # how long what becomes of it is kept',
        "",
        f"[tables.{feeds}.columns]",
    ]
    taken: set[str] = set()
    return "\n".join([*head, *(_line(column, rules, taken, is_person=column is person) for column in columns)]) + "\n"


def _feeds(columns: list[_Column]) -> str:
    if any(column.named(r"item|product|sku|article") for column in columns):
        return "purchases"
    fed = [any(holds(column) for column in columns) for holds, _, _ in _REDEMPTION_RULES]
    return "redemptions" if all(fed) and not any(column.named(r"birth|dob") for column in columns) else "subjects"


def _columns(file: Path) -> list[_Column]:
    raw = open_raw(file)
    frame = pl.concat([batch.frame for batch in islice(raw.batches(), _BATCHES)])
    return [_Column(name, _filled(frame[name])) for name in frame.columns]


def _filled(values: pl.Series) -> pl.Series:
    """The filled cells as text; none of a column of lists or bytes, in which no kind is looked for."""
    if values.dtype.is_nested() or values.dtype in {pl.Binary, pl.Object}:
        return pl.Series(values.name, [], dtype=pl.String)
    return values.cast(pl.String).drop_nulls()


def _person(columns: list[_Column]) -> _Column | None:
    """The column that most likely names the person: by its name, else by its addresses."""
    by_name = (c for c in columns if c.named(r"loyalty|card|customer|member|household|client|person|user|subject"))
    return next(by_name, None) or next((c for c in columns if c.mostly(FormName.EMAIL)), None)


def _line(column: _Column, rules: tuple[_Rule, ...], taken: set[str], *, is_person: bool) -> str:
    role, why = _DROP, "nothing is known that needs it"
    if is_person:
        role, why = 'role = "subject", field = "person"', "names the person in most rows"
    elif _CONSENT.search(column.name):
        role, why = _consent(column.name, taken)
    else:
        for holds, rule, reason in rules:
            target = re.search(r'to = "(\w+)"', rule)
            if holds(column) and (target is None or target.group(1) not in taken):
                role, why = rule, reason
                taken |= {target.group(1)} if target else set()
                break
    key = column.name if _KEY.fullmatch(column.name) else json.dumps(column.name)
    return f"{key} = {{ {role} }} # {why}"


def _consent(name: str, taken: set[str]) -> tuple[str, str]:
    purpose = re.sub(r"[^a-z0-9]+", "-", _CONSENT.sub("-", name).lower()).strip("-")
    purpose = purpose if purpose in {"profiling", "training"} else f"channel:{purpose}"
    if re.fullmatch(PURPOSE_PATTERN, purpose) is None:
        purpose = "channel:name-it"
    if purpose in taken:
        return _DROP, f"consent to {purpose} stands in another column: keep the one that holds"
    taken.add(purpose)
    return f'role = "consent", purpose = "{purpose}"', "by its name; check the purpose"
