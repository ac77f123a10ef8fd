"""The doorkeeper: lets pass tokens of the domains and epochs that the store accepts, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recsys.contracts.token import Lineage, parse_token
from recsys.errors import TokenError
from serving.looking import Lookout
from serving.problems import not_a_token
from serving.stores import Store


class Doorkeeper:
    """Remembers what is accepted, and asks the store again before it refuses: a load may have changed it.

    It asks once for all tokens of a request, and with one look for all requests that wait.
    """

    def __init__(self, store: Store) -> None:
        self._lineages = Lookout("lineages", lambda: store.changes().lineages, store.lineages)

    async def check(self, tokens: Mapping[str, str]) -> None:
        """Return when all of them are accepted.

        Args:
            tokens: By the field that each stands in.

        Raises:
            ProblemError: One is not, or is no token at all.
            StoreError: The store does not answer.
        """
        accepted = await self.accepting(tokens.values())
        for field, token in tokens.items():
            check_token(token, field, accepted)

    async def accepting(self, tokens: Iterable[str]) -> frozenset[Lineage]:
        """The domains and epochs that are accepted, as far as these tokens are concerned.

        Raises:
            StoreError: The store does not answer.
        """
        known = self._lineages.seen
        prefixes = tuple(lineage.prefix for lineage in known)
        return known if all(token.startswith(prefixes) for token in tokens) else await self._lineages.look()

    async def accepted(self) -> frozenset[Lineage]:
        """The domains and epochs that are accepted now.

        Raises:
            StoreError: The store does not answer.
        """
        return await self._lineages.look()

    def refresh(self) -> None:
        """Ask the store what is accepted, if that was changed: a rekeying gives an epoch up."""
        self._lineages.refresh()

    def close(self) -> None:
        """End the thread."""
        self._lineages.close()


def check_token(token: str, field: str, accepted: frozenset[Lineage]) -> None:
    """Return when `token` is of one of the `accepted`.

    Raises:
        ProblemError: It is not, or it is no token at all.
    """
    try:
        parse_token(token, where=field, accepted=accepted)
    except TokenError as error:
        raise not_a_token(error.what, field) from None
