"""API keys of the service, and what each may do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from recsys.errors import UsageError
from serving.stores.records import ApiKey
from web.api_keys import draw


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
    drawn = draw()
    stored = ApiKey(key_id=drawn.key_id, name=name, digest=drawn.digest, scopes=frozenset(scopes), created=now)
    return drawn.key, stored
