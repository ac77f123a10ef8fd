"""What a caller sent. Values without anything to undo stay the bytes that they came as: no text is made of each.

Plain are values of visible ASCII that JSON writes as it is; nearly all are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Final

import msgspec
import numpy as np

from pseudonymize.canonical.text import VISIBLE
from pseudonymize.gateway.messages import MAX_VALUES, Ask, Epoch
from pseudonymize.parts import BEHIND, Parts
from web.bodies import decode

_QUOTE: Final = ord('"')
_PLAIN: Final = bytes(code for code in VISIBLE if chr(code) not in '",\\[]')
_LIST: Final = msgspec.json.Decoder(list[str])


class _Raw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`Ask`, with its values as they are; that they are JSON is checked all the same."""

    field: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    values: msgspec.Raw
    epoch: Epoch | None = None


_RAW: Final = msgspec.json.Decoder(_Raw)
_ASK: Final = msgspec.json.Decoder(Ask)


@dataclass(frozen=True, slots=True)
class Plain:
    """Values that are plain: `"…","…"`, and how many."""

    quoted: bytes
    count: int

    def __len__(self) -> int:
        """How many."""
        return self.count

    def texts(self) -> list[str]:
        """Each as a text."""
        return _LIST.decode(b"[" + self.quoted + b"]")

    def parts(self) -> Parts:
        """Each, in lower case, within the bytes that all of them are."""
        data = np.frombuffer(self.quoted.lower() + bytes(BEHIND), np.uint8)
        quotes = np.flatnonzero(data == _QUOTE)
        starts = quotes[::2] + 1
        return data, starts, quotes[1::2] - starts


Values = Plain | Sequence[str]


def asked(body: bytes) -> tuple[str, str, Values]:
    """Field, epoch (empty: the newest) and values of a body that is an `Ask`, or a `ProblemError`."""
    try:
        raw = _RAW.decode(body)
        values = _plain(bytes(raw.values))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        values = None
    if values is not None:
        return raw.field, raw.epoch or "", values
    ask = decode(body, _ASK)
    return ask.field, ask.epoch or "", ask.values


def texts(values: Values) -> Sequence[str]:
    """Each as a text."""
    return values.texts() if isinstance(values, Plain) else values


def joined(sent: Sequence[Values]) -> Values:
    """One after the other."""
    plain = [values for values in sent if isinstance(values, Plain)]
    if len(plain) == len(sent):
        return Plain(b",".join(values.quoted for values in plain), sum(map(len, plain)))
    return list(chain.from_iterable(map(texts, sent)))


def _plain(raw: bytes) -> Plain | None:
    """What is left of a list of texts without its plain characters shows what it is made of: it is JSON, after all."""
    left = raw.translate(None, _PLAIN)
    for between in (b",", b", "):
        count = (len(left) - 2 + len(between)) // (2 + len(between))
        if 0 < count <= MAX_VALUES and left == b"[" + between.join([b'""'] * count) + b"]":
            quoted = raw[1:-1] if between == b"," else raw[1:-1].replace(b'", "', b'","')
            return Plain(quoted, count)
    return None
