"""What msgspec refuses in a policy, in the words of those who write one."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, get_type_hints

import msgspec

from recsys.policy import document
from recsys.policy.locations import Path

_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": "a list",
    "object": "a table",
}
_GOT: Final = _KINDS | {"datetime": "a date", "date": "a date", "time": "a time"}
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_BOUNDED: Final = re.compile(r"Expected `(\w+)`(?: of length)? (>=|<=|>|<) (\S+)")
_OTHER: Final = re.compile(r"Expected `(\w+)`(?: \| null)?, got `(\w+)`")
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def spoken(message: str, keys: Path) -> str:
    """The message for what stands at `keys`; a policy holds no personal data, so that its words may be repeated."""
    if missing := _MISSING.match(message):
        return f"lacks {missing.group(1)!r}"
    if message.startswith("Invalid enum value"):
        wrong = message.partition("value ")[2].strip("'")
        return f"{wrong!r} is none of {', '.join(repr(choice) for choice in _CHOICES.get(str(keys[-1]), ()))}"
    if bounded := _BOUNDED.match(message):
        kind, bound, number = bounded.groups()
        unit = {"str": " characters", "array": " members"}.get(kind, "")
        return f"must be {_KINDS.get(kind, kind)}{' of' if unit else ','} {_BOUNDS[bound]} {number}{unit}"
    if other := _OTHER.match(message):
        wanted, got = other.groups()
        return f"must be {_KINDS.get(wanted, wanted)}, and is {_GOT.get(got, got)}"
    return f"{message[:1].lower()}{message[1:]}"


def _choices() -> dict[str, tuple[str, ...]]:
    """The values of each key that has a few."""
    structs = [kind for kind in vars(document).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    hints = [pair for struct in structs for pair in get_type_hints(struct).items()]
    return {
        name: tuple(member.value for member in kind)
        for name, kind in hints
        if isinstance(kind, type) and issubclass(kind, StrEnum)
    }


_CHOICES: Final = _choices()
