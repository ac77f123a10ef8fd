"""AES-CMAC (RFC 4493, NIST SP 800-38B) of a whole column at once.

CMAC chains the blocks of one value, so values are worked on side by side instead: all first blocks in one call of the
cipher, then all second blocks, and so on. `pseudonymize.reference` is the slow,
obvious form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.keys import BlockKey
from pseudonymize.parts import BEHIND, Parts
from recsys.errors import RecsysError

Macs = NDArray[np.uint64]  # shape (n, 2): sixteen bytes a row, in the order of the standard
CmacEngine = Callable[[BlockKey, pl.Series], Macs]

BLOCK: Final = 16

# Of a last block with 0 to 16 filled bytes, a row for each: the bits to keep, and the padding's first bit.
_FILLED: Final = range(BLOCK + 1)
_KEEP: Final = np.frombuffer(b"".join(b"\xff" * n + bytes(BLOCK - n) for n in _FILLED), np.uint64).reshape(-1, 2)
_PADS: Final = b"".join(bytes(n) + bytes([0x80] * (n < BLOCK)) + bytes(max(BLOCK - 1 - n, 0)) for n in _FILLED)
_PADDING: Final = np.frombuffer(_PADS, np.uint64).reshape(-1, 2)

# NIST SP 800-38B, D.3 (AES-256): the messages are the first 0, 16, 40 and 64 bytes of one text.
_KEY: Final = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
_TEXT: Final = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
_VECTORS: Final = {
    0: "028962f61b7bf89efc6b551f4667d983",
    16: "28a7023f452e8f82bd4bf28d8c37c35c",
    40: "aaf3d8f1de5640c232f5b169b9c911e6",
    64: "e1992190549f6ed5696a2c056c315410",
}


def cmac(key: BlockKey, values: pl.Series) -> Macs:
    """The CMAC of every value of a binary or text column without empty cells (an empty text is a value)."""
    return cmac_of_parts(key, _buffers(values))


def cmac_of_parts(key: BlockKey, parts: Parts) -> Macs:
    """The CMAC of every one."""
    data, starts, lengths = parts
    windows = np.ndarray(len(data) - BLOCK + 1, dtype=f"V{BLOCK}", buffer=data, strides=(1,))
    blocks = np.maximum((lengths + BLOCK - 1) >> 4, 1)
    # Longest first, so that those with a block left stand at the front.
    order = slice(None) if _alike(blocks) else np.argsort(-blocks, kind="stable")
    starts, filled = starts[order], (lengths - (blocks - 1) * BLOCK)[order]
    with_more = len(lengths) - np.cumsum(np.bincount(blocks, minlength=1))  # values of more than i blocks
    flip = _flip(key)
    state = np.zeros((len(lengths), 2), np.uint64)
    for position, (active, going_on) in enumerate(itertools.pairwise(with_more)):
        chunk = windows[starts[:active] + position * BLOCK].view(np.uint64).reshape(-1, 2)
        last = filled[going_on:active]
        if _alike(last):
            last = last[:1]
        chunk[going_on:] &= _KEEP.take(last, axis=0)
        chunk[going_on:] ^= flip.take(last, axis=0)
        chunk ^= state[:active]
        state[:active] = key.encrypt_blocks(chunk)
    macs = np.empty_like(state)
    macs[order] = state
    return macs


def self_test(engine: CmacEngine = cmac) -> None:
    """Check an engine against published vectors; opening a vault starts with this, and a failure stops it."""
    text = bytes.fromhex(_TEXT)
    found = engine(BlockKey(bytes.fromhex(_KEY)), pl.Series([text[:length] for length in _VECTORS], dtype=pl.Binary))
    if found.tobytes() != bytes.fromhex("".join(_VECTORS.values())):
        raise RecsysError(
            "AES-CMAC fails the test vectors of NIST SP 800-38B; no token was made",
            where="self-test",
            mend="Do not use this installation: install it anew, and test the machine if it fails again",
        )


def _buffers(values: pl.Series) -> Parts:
    arrow = values.cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offset_buffer, data = arrow.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[arrow.offset : arrow.offset + len(arrow) + 1]
    used = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
    padded = np.concatenate([used, np.zeros(BEHIND, np.uint8)])
    return padded, offsets[:-1] - offsets[0], np.diff(offsets)


def _alike(numbers: NDArray[np.int64]) -> bool:
    return len(numbers) > 0 and bool((numbers == numbers[0]).all())


def _flip(key: BlockKey) -> Macs:
    """The bits to flip in a last block: the padding's, and those of K1 where it is full, of K2 where it is not.

    RFC 4493, 2.3 and 2.4.
    """
    first = _doubled(key.encrypt_blocks(np.zeros((1, 2), np.uint64)).tobytes())
    flip = _PADDING ^ np.frombuffer(_doubled(first), np.uint64)
    flip[BLOCK] = np.frombuffer(first, np.uint64)
    return flip


def _doubled(block: bytes) -> bytes:
    """Multiplication by x in GF(2¹²⁸), with the polynomial of RFC 4493."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = (number ^ 0x87) & ((1 << 128) - 1)
    return number.to_bytes(BLOCK, "big")
