"""Reading a policy file. An unknown key is an error, since a renamed setting must not switch a guard off."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from recsys.errors import PolicyError
from recsys.policy import document as structs
from recsys.policy.checks import check
from recsys.policy.document import Group, Policy, PolicyDocument
from recsys.policy.findings import place_of
from recsys.policy.locations import Path as Keys
from recsys.policy.refusals import spoken

_KEYS: Final = sorted(
    {
        field
        for kind in vars(structs).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        for field in kind.__struct_fields__
    }
    - {"sha256", "path", "text"},
)


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        PolicyError: Unreadable, not TOML, an unknown key (with the nearest known one), a value out of range, a rule
            about a group that is not there, or rules that contradict each other; with line and column.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"the policy cannot be read ({error.strerror})", where=str(path), mend="Name the policy's TOML file"
        ) from None
    return parse_policy(raw, where=str(path))


def parse_policy(raw: bytes, *, where: str) -> Policy:
    """Read a policy from a file's bytes; as `load_policy`."""
    try:
        text = raw.decode("utf-8-sig")  # some editors put a mark at the start of a file
        parsed = tomllib.loads(text)
    except UnicodeDecodeError:
        raise PolicyError("is not UTF-8", where=where, mend="Save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"is not TOML: {error}", where=where, mend="Mend it at that place") from None
    except (ValueError, RecursionError):
        what = "has a number of too many digits, or is nested too deeply"
        raise PolicyError(what, where=where, mend="See docs/policies.md for every key and its values") from None
    try:
        document = msgspec.convert(parsed, PolicyDocument)
    except msgspec.ValidationError as error:
        raise _refusal(parsed, error, text, where) from None
    policy = Policy(sha256=hashlib.sha256(raw).hexdigest(), path=where, text=text, **msgspec.structs.asdict(document))
    check(policy)
    return policy


def _refusal(parsed: dict[str, object], error: msgspec.ValidationError, text: str, where: str) -> PolicyError:
    """A policy holds no personal data, so its own keys may be named."""
    keys, message = _keys_of(parsed, error)
    unknown = re.search(r"unknown field `(.*?)`", message)
    if unknown is None:
        mend = "See docs/policies.md for every key and its values"
        return PolicyError(spoken(message, keys), where=place_of(where, text, keys), mend=mend)
    key = unknown.group(1)
    near = difflib.get_close_matches(key, _KEYS, n=1)
    return PolicyError(
        f"unknown key {key!r}",
        where=place_of(where, text, (*keys, key)),
        mend=f"Did you mean {near[0]!r}?" if near else "See docs/policies.md for every key",
    )


def _keys_of(parsed: dict[str, object], error: msgspec.ValidationError) -> tuple[Keys, str]:
    """The path of what is wrong, and what is wrong. msgspec hides the names of a table's keys, so look for them."""
    keys, message = _split(error)
    groups = parsed.get("groups")
    if keys[:1] != ("groups",) or not isinstance(groups, dict):
        return keys, message
    for name, group in groups.items():
        try:
            msgspec.convert(group, Group)
        except msgspec.ValidationError as inner:
            below, message = _split(inner)
            return ("groups", name, *below), message
    return keys, message


def _split(error: msgspec.ValidationError) -> tuple[Keys, str]:
    text = str(error)
    message, _, path = text.partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", path)
    keys: Keys = tuple(name or int(number) for name, number in steps)
    return keys, message
