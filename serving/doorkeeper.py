"""The doorkeeper: lets pass tokens of the domains and epochs that the store accepts, and nothing else."""

from __future__ import annotations

import contextlib

from recsys.contracts.token import Lineage, parse_token
from recsys.errors import TokenError
from serving.problems import not_a_token
from serving.stores import Store


class Doorkeeper:
    """Remembers what is accepted, and asks the store again before it refuses: a load may have changed it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = store.changes().lineages
        self._accepted: frozenset[Lineage] = store.lineages()

    def check(self, token: str, field: str) -> None:
        """Return when `token` is accepted.

        Raises:
            ProblemError: It is not, or it is no token at all.
        """
        with contextlib.suppress(TokenError):
            parse_token(token, where=field, accepted=self._accepted)
            return
        self.refresh()
        try:
            parse_token(token, where=field, accepted=self._accepted)
        except TokenError as error:
            raise not_a_token(error.what, field) from None

    def accepted(self) -> frozenset[Lineage]:
        """The domains and epochs that are accepted now."""
        self.refresh()
        return self._accepted

    def refresh(self) -> None:
        """Ask the store what is accepted, if that was changed: a rekeying gives an epoch up."""
        changed = self._store.changes().lineages
        if changed != self._changed:
            self._accepted = self._store.lineages()
            self._changed = changed
