"""Tokens of values that are in their form but for capitals, as most are: made over all their bytes at once.

What a column costs, however short, is more than a request of a thousand values may take, so none is made of them. The
tokens are the same. What is not plain, and whoever was forgotten, goes the way of every column.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from pseudonymize.canonical import MAX_BYTES
from pseudonymize.gateway.sent import Plain, Values
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.tokens import spelled


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


def spelled_if_plain(tokeniser: Tokeniser, field: str, values: Values) -> Spelled | None:
    """The token of each value; None where they have to go the way of every column."""
    if not isinstance(values, Plain):
        return None
    parts = values.parts()
    lengths = parts[2]
    if lengths.min() == 0 or lengths.max() > MAX_BYTES or not tokeniser.form(field).met(parts):
        return None
    tokens = tokeniser.tokens_of_canonical(field, parts)
    return None if tokens is None else Spelled(spelled(tokens, tokeniser.lineage))
