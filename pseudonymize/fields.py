"""The field policy: what becomes of every column of the raw files. TOML, strict: what is not named is refused.

Here stand its terms and how they are read; `pseudonymize.fields_check` holds what they must say together.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args

import msgspec

from pseudonymize.canonical import DOTS_AND_PLUS, CanonicalForm, FormName, canonical_form
from pseudonymize.gate.settings import Classes, Days, External, GateSettings, Keep, Level, RareItems
from recsys.contracts.document import explain
from recsys.contracts.subjects import PURPOSE_PATTERN
from recsys.errors import PolicyError

T = TypeVar("T", bound=msgspec.Struct)

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Feed(StrEnum):
    """The contracts of `recsys.contracts` that a table may feed."""

    PURCHASES = "purchases"
    SUBJECTS = "subjects"
    REDEMPTIONS = "redemptions"
    DEMOGRAPHICS = "demographics"


class Action(StrEnum):
    """What becomes of an identifier."""

    TOKENISE = "tokenise"
    DROP = "drop"
    LINK = "link"  # dropped by `run`; `link` learns from it that two identifiers are one person's


class FreeTextAction(StrEnum):
    """What becomes of free text."""

    DROP = "drop"
    SCAN = "scan"


class Generalise(StrEnum):
    """How a quasi-identifier is made coarser."""

    DAY = "day"  # a time to its day
    WEEK = "week"  # a time to the Monday of its week
    ADULT = "adult"  # a birth date to being of age or not
    BAND = "band"  # a number to the band that it falls into
    PREFIX = "prefix"  # a code, as a postcode, to its first characters
    ROUND = "round"  # a number to a multiple of a step


class BadRows(StrEnum):
    """What becomes of a row with a cell that does not fit."""

    REFUSE = "refuse"
    QUARANTINE = "quarantine"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of identifier. Its name and its canonical form, with the form's option, are part of the key."""

    canonical: FormName = FormName.TEXT
    region: str | None = None  # of phone: whose numbers those without a country code are
    scheme: str | None = None  # of national-id: which number, as python-stdnum names it
    layout: str | None = None  # of date: as strftime writes it
    dots_and_plus: bool | None = None  # of e-mail: what gmail.com ignores is ignored
    shared_by: Annotated[int, msgspec.Meta(ge=1)] | None = None  # beside more values of one other field, it is nobody's
    per_person: Annotated[int, msgspec.Meta(ge=1)] = 5  # how many of it one person may have

    @property
    def most_beside(self) -> int:
        """`shared_by`, or what is usual: a telephone beside two cards is a household's."""
        return self.shared_by or (1 if self.canonical is FormName.PHONE else 3)

    def form(self) -> CanonicalForm:
        """The canonical form, or `PolicyError` where an option is missing, unknown or another form's."""
        options = {
            FormName.PHONE: ("region", self.region),
            FormName.NATIONAL_ID: ("scheme", self.scheme),
            FormName.DATE: ("layout", self.layout),
            FormName.EMAIL: ("dots_and_plus", DOTS_AND_PLUS if self.dots_and_plus else None),
        }
        for form, (key, option) in options.items():
            if option is not None and form != self.canonical:
                raise PolicyError(f"belongs to canonical = '{form}'", where=key, mend="Take it away")
        _, option = options.get(self.canonical, ("", None))
        return canonical_form(self.canonical, option or "")


class _Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="role"):
    """What becomes of one column. `to` is the column of the contract that it feeds."""


class Subject(_Role, frozen=True, tag="subject"):
    """The person: becomes the token."""

    field: str


class Identifier(_Role, frozen=True, tag="identifier"):
    """Names a person or a receipt: dropped, another token, or dropped and a link to the row's person."""

    action: Action
    field: str | None = None
    to: str | None = None


class Quasi(_Role, frozen=True, tag="quasi"):
    """Singles people out together with others of its kind: kept in a coarser form."""

    generalise: Generalise
    to: str | None = None
    set: Feed | None = None
    years: Annotated[int, msgspec.Meta(ge=1, le=120)] | None = None  # adult: from which age; else 18
    as_of: dt.date | None = None  # adult: the day on which age is counted; else that of the run
    bands: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)] | None = None  # band: where each next one begins
    length: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None  # prefix: how many characters stay
    step: Annotated[float, msgspec.Meta(gt=0)] | None = None  # round: to multiples of it


class Sensitive(_Role, frozen=True, tag="sensitive"):
    """About health, belief, origin and the like: dropped, or for an evaluation set. It feeds nothing else."""

    to: str | None = None
    set: Feed | None = None


class FreeText(_Role, frozen=True, tag="free-text"):
    """What people wrote, and so perhaps names: dropped, or scanned, and refused where something is found."""

    action: FreeTextAction
    to: str | None = None


class Feature(_Role, frozen=True, tag="feature"):
    """Passes as it is."""

    to: str


class Evaluation(_Role, frozen=True, tag="evaluation"):
    """Goes to an evaluation set and nowhere else. In `demographics`, `to` is the attribute's name."""

    to: str | None = None
    set: Feed | None = None


class Consent(_Role, frozen=True, tag="consent"):
    """A yes or no to one purpose."""

    purpose: Annotated[str, msgspec.Meta(pattern=PURPOSE_PATTERN)]


class Drop(_Role, frozen=True, tag="drop"):
    """Does not pass."""


def role_name(kind: type[_Role]) -> str:
    """What a field policy calls a role."""
    return str(kind.__struct_config__.tag)


Role = Subject | Identifier | Quasi | Sensitive | Feature | Evaluation | FreeText | Consent | Drop
_KINDS: Final[tuple[type[Role], ...]] = get_args(Role)
CHOICES: Final = [
    choice.value
    for kind in (Action, FreeTextAction, Generalise, BadRows, Feed, FormName, Classes, RareItems, Days, Level, Keep)
    for choice in kind
]
_MEND: Final = "The example in examples/complete_journey/fields.toml shows every key"
ROLES: Final = {role_name(kind): kind for kind in _KINDS}


class TableDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[tables.NAME]`, as it stands in the file."""

    match: Annotated[str, msgspec.Meta(min_length=1)]
    feeds: Feed
    columns: Annotated[dict[str, dict[str, Any]], msgspec.Meta(min_length=1)]
    drop_zero_quantity: bool = False
    bad_rows: BadRows = BadRows.REFUSE
    purpose: str = ""
    retention: str = ""


class FieldDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    fields: Annotated[dict[_Name, Field], msgspec.Meta(min_length=1)]
    tables: Annotated[dict[_Name, dict[str, Any]], msgspec.Meta(min_length=1)]
    name: str = ""
    gate: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Table:
    """The files of one kind.

    Args:
        name: As the policy calls it.
        match: A pattern of file names, as shells use them.
        feeds: The contract that its rows go to.
        columns: Every column of the file, with its role.
        drop_zero_quantity: Whether rows with quantity zero are dropped and counted; else they are refused.
        bad_rows: Whether a row that does not fit stops the run or goes to quarantine.
        purpose: Why this is collected; for the record of processing.
        retention: How long what becomes of it is kept; for the record of processing.
    """

    name: str
    match: str
    feeds: Feed
    columns: Mapping[str, Role]
    drop_zero_quantity: bool
    bad_rows: BadRows = BadRows.REFUSE
    purpose: str = ""
    retention: str = ""


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """A field policy. `sha256` is that of the file's bytes and stands in every release."""

    path: Path
    sha256: str
    name: str
    fields: Mapping[str, Field]
    tables: tuple[Table, ...]
    gate: GateSettings


def read_fields(path: Path) -> FieldPolicy:
    """Read a field policy; `pseudonymize.fields_check.load_fields` also checks that it makes sense.

    Raises:
        PolicyError: Unreadable, not TOML, an unknown key or role (with the nearest known one), a value out of range.
    """
    raw = _bytes(path)
    document = _convert(_toml(raw, path), FieldDocument, str(path))
    tables = tuple(_table(name, table, f"{path}, tables.{name}") for name, table in document.tables.items())
    gate = _gate(document.gate, f"{path}, gate")
    return FieldPolicy(path, hashlib.sha256(raw).hexdigest(), document.name, document.fields, tables, gate)


def nearest(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """A mend that suggests the nearest of the known names."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else otherwise


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"the field policy cannot be read ({error.strerror})", where=str(path), mend="Name its TOML file"
        ) from None


def _toml(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise PolicyError("is not UTF-8", where=str(path), mend="Save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"is not TOML: {error}", where=str(path), mend="Mend it at that place") from None


def _table(name: str, raw: dict[str, Any], where: str) -> Table:
    document = _convert(raw, TableDocument, where)
    columns = {column: _role(rule, f"{where}.columns.{column}") for column, rule in document.columns.items()}
    return Table(
        name,
        document.match,
        document.feeds,
        columns,
        document.drop_zero_quantity,
        document.bad_rows,
        document.purpose,
        document.retention,
    )


def _gate(raw: dict[str, Any], where: str) -> GateSettings:
    external = _convert(raw.get("external", {}), External, f"{where}.external")
    return msgspec.structs.replace(_convert(raw | {"external": {}}, GateSettings, where), external=external)


def _role(raw: dict[str, Any], where: str) -> Role:
    role = raw.get("role")
    if role not in ROLES:
        mend = f"The roles are: {', '.join(ROLES)}"
        what = f"there is no role {role!r}" if "role" in raw else "has no role"
        raise PolicyError(what, where=where, mend=nearest(str(role), ROLES, otherwise=mend))
    return _convert(raw, ROLES[role], where)


def _convert(raw: object, kind: type[T], where: str) -> T:
    """Convert strictly. A policy holds no personal data, so its own keys and values may be named."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        unknown = re.search(r"unknown field `(.*?)`", str(error))
        choice = re.search(r"Invalid enum value '(.*?)'", str(error))
        what, mend = explain(error), _MEND
        if unknown is not None:
            known = [field.name for field in msgspec.structs.fields(kind)]
            what = f"unknown key {unknown.group(1)!r}"
            mend = nearest(unknown.group(1), known, otherwise=f"The keys here are: {', '.join(known)}")
        elif choice is not None:
            mend = nearest(choice.group(1), CHOICES, otherwise=_MEND)
        raise PolicyError(what, where=where, mend=mend) from None
