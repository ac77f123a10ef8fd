"""Who asks: API keys and what they may do. Nothing of what was sent instead of a key is ever repeated."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

from serving.keys import Scope
from serving.looking import Lookout
from serving.stores import ApiKey, Store, StoreError
from web.api_keys import holds, sent
from web.problems import FORBIDDEN, UNAUTHORIZED, ProblemError

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="recsys-serve"'}
_PAUSE: Final = 0.05  # seconds between two looks for keys that are unknown: strangers do not keep the store busy


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request. `key_id` is the public part of the key; empty where no key is needed."""

    key_id: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the key has a scope."""
        return scope in self.scopes


ANYBODY: Final = Caller("", frozenset())


class Callers:
    """The keys that hold, kept in memory."""

    def __init__(self, store: Store) -> None:
        def holding() -> dict[str, ApiKey]:
            return {key.key_id: key for key in store.keys.all() if key.revoked is None}

        self._keys = Lookout("keys", lambda: store.changes().keys, holding, pause=_PAUSE)

    async def identify(self, authorization: str | None, scope: Scope) -> Caller:
        """The caller, from the header `Authorization: Bearer rk1.…`.

        Raises:
            ProblemError: There is no key (401), it does not hold (401), or it has not the scope (403).
        """
        parts = sent(authorization)
        if parts is None:
            raise _unauthorized("Send a key with the header Authorization: Bearer rk1.…")
        key = self._holding(*parts)
        if key is None:
            with contextlib.suppress(StoreError):  # nothing a stranger does is an error of ours, or worth a line
                await self._keys.look()  # it may have been made just now
            key = self._holding(*parts)
        if key is None:
            raise _unauthorized("The key does not hold: it is unknown here, or was revoked")
        if scope not in key.scopes:
            raise ProblemError(FORBIDDEN.problem(f"The key lacks the scope {scope.value}"))
        return Caller(key.key_id, key.scopes)

    def refresh(self) -> None:
        """Read the keys again if any was created or revoked."""
        self._keys.refresh()

    def close(self) -> None:
        """End the thread."""
        self._keys.close()

    def _holding(self, key_id: str, secret: str) -> ApiKey | None:
        key = self._keys.seen.get(key_id)
        return key if holds(secret, None if key is None else key.digest) else None


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(UNAUTHORIZED.problem(detail), _CHALLENGE)
