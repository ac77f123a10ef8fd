"""API keys: `rk1.<key_id>.<secret>`. The key is shown once; what is stored cannot be turned back into it.

The secret has 256 random bits, so that a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from recsys.errors import UsageError
from serving.stores.records import ApiKey

KEY_PATTERN: Final = r"rk1\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})"
_KEY: Final = re.compile(KEY_PATTERN)


class Scope(StrEnum):
    """What a key may do; none of them includes another."""

    DECIDE = "decide"
    EVENTS = "events"
    SUBJECT = "subject"
    EXPLAIN = "explain"
    ADMIN = "admin"


SCOPES: Final = tuple(scope.value for scope in Scope)


def new_key(name: str, scopes: Collection[str], *, now: dt.datetime) -> tuple[str, ApiKey]:
    """A key to hand over, and what is kept of it.

    Raises:
        UsageError: There is no such scope, or none is named.
    """
    if not scopes or set(scopes) - set(SCOPES):
        raise UsageError("names a scope that there is not", where="--scope", mend=f"Scopes are: {', '.join(SCOPES)}")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    stored = ApiKey(key_id=key_id, name=name, digest=digest_of(secret), scopes=frozenset(scopes), created=now)
    return f"rk1.{key_id}.{secret}", stored


def split(key: str) -> tuple[str, str] | None:
    """The key's id and its secret; None for what is no key."""
    found = _KEY.fullmatch(key)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. Compare it by `hmac.compare_digest`."""
    return hashlib.sha256(secret.encode()).digest()
