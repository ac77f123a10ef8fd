"""The policy file: TOML, strict. An unknown key is an error, since a renamed setting must not switch a guard off."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from recsys.contracts.document import explain
from recsys.errors import PolicyError

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class UnknownCategory(StrEnum):
    """What happens to an offer whose items the catalogue cannot place."""

    WITHHOLD = "withhold"
    ALLOW = "allow"


class Scope(StrEnum):
    """Which purchases count towards opening an offer: of the same item, the same category, or the whole group."""

    ITEM = "item"
    CATEGORY = "category"
    GROUP = "group"


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Things that are sensitive in the same way.

    `categories` holds paths or parts of them ("BEERS/ALES", "GROCERY / BEERS/ALES"), in upper or lower case.
    """

    description: str = ""
    categories: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


class OnlyIfPurchased(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Offer the groups only to those who bought from them on `min_days` distinct days within `within_days`."""

    groups: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    min_days: Count
    within_days: Days
    level: Scope = Scope.GROUP


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    name: str = ""
    unknown_category: UnknownCategory = UnknownCategory.WITHHOLD
    groups: dict[str, Group] = {}
    never: tuple[str, ...] = ()
    only_if_purchased: tuple[OnlyIfPurchased, ...] = ()


class Policy(_Document, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy that was read and checked. `sha256` is that of the file's bytes and stands in every decision."""

    sha256: str

    @property
    def policy_version(self) -> str:
        """What decisions call this policy: the name and the start of the hash."""
        return f"{self.name or 'policy'}@{self.sha256[:12]}"


_KEYS: Final = sorted(
    {field for kind in (_Document, Group, OnlyIfPurchased) for field in kind.__struct_fields__},
)


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        PolicyError: Unreadable, not TOML, an unknown key (with the nearest known one), a value out of range, or a rule
            about a group that is not there.
    """
    try:
        raw = path.read_bytes()
        parsed = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise PolicyError(
            f"the policy cannot be read ({error.strerror})", where=str(path), mend="Name the policy's TOML file"
        ) from None
    except UnicodeDecodeError:
        raise PolicyError("is not UTF-8", where=str(path), mend="Save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"is not TOML: {error}", where=str(path), mend="Mend it at that place") from None
    try:
        document = msgspec.convert(parsed, _Document)
    except msgspec.ValidationError as error:
        raise PolicyError(*_unknown_key(str(error)) or (explain(error),), where=str(path), mend=_mend(error)) from None
    _check_groups(document, str(path))
    return Policy(sha256=hashlib.sha256(raw).hexdigest(), **msgspec.structs.asdict(document))


def _unknown_key(message: str) -> tuple[str] | None:
    """A policy holds no personal data, so its own keys may be named."""
    found = re.search(r"unknown field `(.*?)`", message)
    return (f"unknown key {found.group(1)!r}",) if found else None


def _mend(error: msgspec.ValidationError) -> str:
    found = re.search(r"unknown field `(.*?)`", str(error))
    near = difflib.get_close_matches(found.group(1), _KEYS, n=1) if found else []
    return f"Did you mean {near[0]!r}?" if near else "See docs/policies.md for every key and its values"


def _check_groups(document: _Document, where: str) -> None:
    for name, group in document.groups.items():
        if not group.categories and not group.items:
            raise PolicyError(
                "has neither categories nor items", where=f"{where}, groups.{name}", mend="Name some, or drop the group"
            )
    rules = [("never", document.never)]
    rules += [(f"only_if_purchased[{i}]", rule.groups) for i, rule in enumerate(document.only_if_purchased)]
    for rule, names in rules:
        for name in names:
            if name not in document.groups:
                near = difflib.get_close_matches(name, document.groups, n=1)
                mend = f"Did you mean {near[0]!r}?" if near else "Add it under [groups]"
                raise PolicyError(f"there is no group {name!r}", where=f"{where}, {rule}", mend=mend)
