"""The chain's arithmetic; see `recsys.contracts.audit`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

GENESIS: Final = bytes(32)  # the hash before the first record
NONCE_BYTES: Final = 32


def new_nonce() -> bytes:
    """r_i: without it, a commitment tells nothing about a payload, not even to somebody who guesses it."""
    return secrets.token_bytes(NONCE_BYTES)


def commitment(nonce: bytes, payload: bytes) -> bytes:
    """c_i = HMAC-SHA-256(r_i, payload)."""
    return hmac.digest(nonce, payload, hashlib.sha256)


def link(before: bytes, sequence: int, committed: bytes) -> bytes:
    """h_i = SHA-256(h_(i-1) || i || c_i), i as 8 bytes big-endian."""
    return hashlib.sha256(before + sequence.to_bytes(8, "big") + committed).digest()


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs: 1, 2, 3, 7 becomes (1, 3), (7, 7)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
