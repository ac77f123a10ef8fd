"""Tokens: what a person is called on the other side of the gate (`recsys.contracts.token` has the written form).

root token   = AES-256-CMAC(key of the field, canonical value)
    A pseudo-random function. It never leaves the custodian's zone.
domain token = AES-256(key of the domain and epoch, root token), one block
    A permutation. It is what a trainer, a server or a partner sees.

The chance that any two of n identifiers meet is at most about n²/2¹²⁹: for 10⁸ people 1.5·10⁻²³, all of it in the first
step, since a permutation adds no collisions. Still, a run counts them (`pseudonymize.ledger`). Undoing the second step
takes the domain's key, which only the custodian has; undoing the first takes the field's key and a guess of the value:
whoever steals that key finds every phone number in seconds. Custody is the defence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pseudonymize.cmac import cmac
from pseudonymize.keys import BlockKey, Label, Purpose
from recsys.contracts.token import MEND, Lineage
from recsys.errors import TokenError

Tokens = NDArray[np.uint64]  # shape (n, 2): sixteen bytes a row

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lower case
_PAIRS: Final = np.frombuffer(b"".join(bytes([a, b]) for a in _ALPHABET for b in _ALPHABET), np.uint16)
_VALUES: Final = np.zeros(1 << 16, np.uint64)
_VALUES[_PAIRS] = np.arange(len(_PAIRS), dtype=np.uint64)  # the ten bits that two characters stand for
_TEXT_LENGTH: Final = 26
_SHIFTS: Final = np.arange(54, -1, -10, dtype=np.uint64)[:, np.newaxis]  # of sixty bits, left-aligned, ten at a time
_PIECE: Final = 1 << 13


def field_label(field: str, form: str, *, generation: str) -> Label:
    """What the key of a field is for; `form` is the label of its canonical form."""
    return Label(purpose=Purpose.ROOT_TOKEN, field=field, epoch=generation, canonical=form)


def domain_label(lineage: Lineage) -> Label:
    """What the key of a domain and epoch is for."""
    return Label(purpose=Purpose.DOMAIN_TOKEN, domain=lineage.domain, epoch=lineage.epoch)


def root_tokens(key: BlockKey, canonical: pl.Series) -> Tokens:
    """The root tokens of canonical values; the column has no empty cells."""
    return cmac(key, canonical)


def domain_tokens(key: BlockKey, roots: Tokens) -> Tokens:
    """The tokens that one domain sees in place of the root tokens."""
    return key.encrypt_blocks(roots)


def roots_of(key: BlockKey, tokens: Tokens) -> Tokens:
    """The root tokens that `domain_tokens` made these of."""
    return key.decrypt_blocks(tokens)


def written(tokens: Tokens, lineage: Lineage) -> pl.Series:
    """Tokens in their written form."""
    rows = spelled(tokens, lineage)
    offsets = np.arange(len(tokens) + 1, dtype=np.int64) * rows.shape[1]
    array = pa.LargeStringArray.from_buffers(len(tokens), pa.py_buffer(offsets), pa.py_buffer(rows))
    return pl.Series(pl.from_arrow(array), dtype=pl.String)


def spelled(tokens: Tokens, lineage: Lineage) -> NDArray[np.uint8]:
    """The characters of tokens in their written form, a row each: base32, ten bits (two characters) at a time."""
    prefix = lineage.prefix.encode("ascii")
    rows = np.empty((len(tokens), len(prefix) + _TEXT_LENGTH), np.uint8)
    rows[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    for start in range(0, len(tokens), _PIECE):  # pieces that stay in the cache
        rows[start : start + _PIECE, len(prefix) :] = _base32(tokens[start : start + _PIECE])
    return rows


def _base32(tokens: Tokens) -> NDArray[np.uint8]:
    halves = tokens.view(">u8").astype(np.uint64)  # the first byte holds the leftmost bits
    high, low = halves[:, 0], halves[:, 1]
    # Bits 0-59, 60-119, and 120-127 with zeros after them.
    numbers = np.empty((_TEXT_LENGTH // 2, len(tokens)), np.uint64)
    np.right_shift(high, _SHIFTS, out=numbers[:6])
    np.right_shift((high << np.uint64(60)) | (low >> np.uint64(4)), _SHIFTS, out=numbers[6:12])
    np.left_shift(low, np.uint64(2), out=numbers[12])
    numbers &= np.uint64(0x3FF)
    return np.ascontiguousarray(_PAIRS.take(numbers.view(np.int64)).T).view(np.uint8)


def unwritten(tokens: pl.Series, lineage: Lineage) -> Tokens:
    """What `written` wrote: a column of tokens of one lineage, checked before and without empty cells."""
    width = len(lineage.prefix) + _TEXT_LENGTH
    arrow = tokens.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offset_buffer, data = arrow.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[arrow.offset : arrow.offset + len(arrow) + 1]
    if len(tokens) == 0 or data is None:
        return np.empty((0, 2), np.uint64)
    if (np.diff(offsets) != width).any():
        raise TokenError("not a token of one lineage", where="the column", mend=MEND)
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].reshape(-1, width)
    pairs = np.ascontiguousarray(text[:, len(lineage.prefix) :]).view(np.uint16)
    words = np.zeros((3, len(tokens)), np.uint64)  # sixty bits, sixty, and ten of which the last two are padding
    for place in range(_TEXT_LENGTH // 2):
        word = words[place // 6]
        word <<= np.uint64(10)
        word |= _VALUES[pairs[:, place]]
    high = (words[0] << np.uint64(4)) | (words[1] >> np.uint64(56))
    low = (words[1] << np.uint64(8)) | (words[2] >> np.uint64(2))
    return np.stack([high, low], axis=1).astype(">u8").view(np.uint64)
