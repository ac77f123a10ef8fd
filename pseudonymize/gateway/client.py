"""A client of the token gateway, typed by its messages. It carries nothing of the custodian's: no key, no vault."""

from __future__ import annotations

from collections.abc import Sequence

from pseudonymize.gateway.messages import MAX_VALUES, PATH, Answer, Ask, Refused
from web.asking import Asker, ServiceError

__all__ = ["MAX_VALUES", "Answer", "Refused", "ServiceError", "TokenClient"]


class TokenClient(Asker):
    """Asks one gateway with one key; keeps its connections. Close it, or use it as a context manager.

    A request is sent again when it did not arrive or came too fast: the same value has the same token.

    Args:
        url: Where the gateway is.
        key: `rk1.…`; never logged, never part of a URL.
        tries: How often a request is sent at most.
        timeout: Seconds for one try.
        patience: Seconds that all pauses between the tries of one request may take.
    """

    def __init__(self, url: str, key: str, *, tries: int = 4, timeout: float = 5.0, patience: float = 10.0) -> None:
        super().__init__(url, key, server="recsys-pseudonymize serve", tries=tries, timeout=timeout, patience=patience)

    def tokens(self, field: str, values: Sequence[str], *, epoch: str | None = None) -> Answer:
        """The tokens of up to `MAX_VALUES` identifiers of one kind.

        Raises:
            ServiceError: The gateway refuses, or does not answer.
            ValueError: There are none, too many, or one text instead of several: nothing is sent.
        """
        if isinstance(values, str) or not 0 < len(values) <= MAX_VALUES:
            raise ValueError(f"give a list of 1 to {MAX_VALUES} values")
        return self.asked("POST", PATH, Ask(field=field, values=list(values), epoch=epoch), Answer)

    def token(self, field: str, value: str, *, epoch: str | None = None) -> str | None:
        """The token of one identifier; None where it has none."""
        return self.tokens(field, [value], epoch=epoch).tokens[0]
