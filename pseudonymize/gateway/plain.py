"""Values that are in their form as they were sent, as most are: seen over all their bytes at once, and spelled so.

What a column costs whatever its length is more than a request of a thousand values may take: it is not made here. The
tokens are the same; what is anything else than plain, and whoever was forgotten, goes the way of every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.cmac import BLOCK, Parts
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.tokens import spelled

_BETWEEN = ord("\n")


@dataclass(frozen=True, slots=True)
class Spelled:
    """Tokens as characters, a row each."""

    rows: NDArray[np.uint8]

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    def __getitem__(self, places: slice) -> Spelled:
        """Some of them."""
        return Spelled(self.rows[places])

    def json(self) -> msgspec.Raw:
        """A list of texts."""
        written = np.empty((len(self.rows), self.rows.shape[1] + 3), np.uint8)
        written[:, 0] = written[:, -2] = ord('"')
        written[:, 1:-2] = self.rows
        written[:, -1] = ord(",")
        written[-1, -1] = ord("]")
        return msgspec.Raw(b"[" + written.tobytes())


def spelled_if_plain(tokeniser: Tokeniser, field: str, values: Sequence[str]) -> Spelled | None:
    """The token of each value; None where they have to go the way of every column."""
    parts = _plain(values, tokeniser.form(field).unchanged)
    tokens = None if parts is None else tokeniser.tokens_of_canonical(field, parts)
    return None if tokens is None else Spelled(spelled(tokens, tokeniser.lineage))


def _plain(values: Sequence[str], unchanged: bytes) -> Parts | None:
    sent = "\n".join(values).encode(errors="surrogatepass")
    if not unchanged or sent.translate(None, unchanged) != b"\n" * (len(values) - 1):
        return None
    data = np.frombuffer(sent + bytes(BLOCK), np.uint8)
    ends = np.append(np.flatnonzero(data == _BETWEEN), len(sent))
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts
    return (data, starts, lengths) if lengths.min() > 0 and lengths.max() <= MAX_BYTES else None
