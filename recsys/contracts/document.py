"""Reading one JSON document against its contract. Errors name the field, never its value."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from recsys.errors import ContractError

T = TypeVar("T")


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
    return f"{what[:1].lower()}{what[1:]}{place}"
