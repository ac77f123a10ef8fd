"""Reading one JSON document against its contract. Errors name the field, never its value."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from recsys.contracts.names import CHANNEL_PATTERN, CHANNEL_RULE, NAME_PATTERN, NAME_RULE
from recsys.contracts.token import TOKEN_PATTERN, WRONG_FORM
from recsys.errors import ContractError

T = TypeVar("T")

_SPOKEN: Final = {
    TOKEN_PATTERN: WRONG_FORM,
    NAME_PATTERN: f"not a name ({NAME_RULE})",
    CHANNEL_PATTERN: f"not the name of a channel ({CHANNEL_RULE})",
}


def decode_document(raw: bytes, kind: type[T], *, where: str) -> T:
    """Decode JSON strictly into `kind`.

    Raises:
        ContractError: Not JSON, an unknown or missing field, or a value of the wrong type or form.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise ContractError(explain(error), where=where, mend="See the field's description in the contract") from None
    except (UnicodeDecodeError, RecursionError):
        raise ContractError("is not JSON in UTF-8, or nested without end", where=where, mend="Write it again") from None


def encode_document(document: object) -> bytes:
    """Indented JSON with sorted keys and a newline at the end: the same document, the same bytes."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"


def explain(error: msgspec.DecodeError) -> str:
    """What is wrong and at which field, without the value.

    msgspec repeats a value only where it stands for a choice (an enum, a tag) or names an unknown field; both can hold
    what was sent by mistake.
    """
    text = str(error)
    field = re.search(r" - at `([$.\w\[\]…]+)`$", text)
    place = f" at {field.group(1)}" if field else ""
    what = text.partition(" - at `")[0]
    what = re.sub(r"^Invalid enum value .*", "not one of the allowed values", what)
    what = re.sub(r"^Invalid value .*", "not one of the allowed values", what)
    what = re.sub(r"unknown field `.*`", "a field that the contract does not know", what)
    what = re.sub(r"^JSON is malformed: .*", "malformed JSON", what)
    if pattern := re.search(r"matching regex '(.*)'$", what, re.DOTALL):
        what = _unmatched(pattern.group(1).replace("\\\\", "\\"))
    return f"{what[:1].lower()}{what[1:]}{place}"


def _unmatched(pattern: str) -> str:
    """What a value is not, in words: nobody should have to read a regular expression."""
    for known, words in _SPOKEN.items():
        if pattern.startswith(known):
            return words
    if version := re.fullmatch(r"\^([a-z-]+)/(\d+)\$", pattern):
        return f"not {version.group(1)} version {version.group(2)}, which is the one that this program reads"
    return f"does not match {pattern}"
