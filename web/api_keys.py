"""API keys: `rk1.<key_id>.<secret>`. The key is shown once; what is stored cannot be turned back into it.

The secret has 256 random bits, so that a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

KEY_PATTERN: Final = r"rk1\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})"
# The same in JSON, where a text may name any of its characters by number.
ESCAPED_KEY_PATTERN: Final = (
    r"(?:r|\\u0072)(?:k|\\u006[bB])(?:1|\\u0031)(?:\.|\\u002[eE])"
    r"(?:[0-9a-f]|\\u00(?:3[0-9]|6[1-6])){12}(?:\.|\\u002[eE])"
    r"(?:[A-Za-z0-9_-]|\\u00(?:2[dD]|3[0-9]|[46][1-9a-fA-F]|5[0-9aAfF]|7[0-9aA])){43}"
)
_KEY: Final = re.compile(KEY_PATTERN)
_SCHEME: Final = "bearer"
_NOBODY: Final = bytes(32)  # compared with where there is no such key, so that this takes as long


class Drawn(NamedTuple):
    """A new key: its public part, what is stored of its secret, and the whole, to hand over."""

    key_id: str
    digest: bytes
    key: str


def draw() -> Drawn:
    """A new key."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return Drawn(key_id, digest_of(secret), f"rk1.{key_id}.{secret}")


def split(key: str) -> tuple[str, str] | None:
    """The key's id and its secret; None for what is no key."""
    found = _KEY.fullmatch(key)
    return (found[1], found[2]) if found else None


def sent(authorization: str | None) -> tuple[str, str] | None:
    """The key's id and its secret from the header `Authorization: Bearer rk1.…`; None where there is none."""
    scheme, _, key = (authorization or "").partition(" ")
    return split(key.strip()) if scheme.lower() == _SCHEME else None


def digest_of(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. `holds` compares it."""
    return hashlib.sha256(secret.encode()).digest()


def holds(secret: str, digest: bytes | None) -> bool:
    """Whether a secret is the one that was stored, in constant time; `digest` is None where there is no such key."""
    return hmac.compare_digest(digest_of(secret), _NOBODY if digest is None else digest)
