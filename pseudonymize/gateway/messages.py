"""What is sent to the gateway and what it answers; the client needs no more than this."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN, TOKEN_PATTERN

PATH: Final = "/v1/tokens"
MAX_VALUES: Final = 1_000

UNREADABLE: Final = "unreadable"
EMPTY: Final = "empty"
FORGOTTEN: Final = "forgotten"

Epoch = Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$", description="The epoch's two digits.")]


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Identifiers of one kind. `field` is the kind, as the field policy names it.

    Without `epoch` the tokens are of the domain's newest; an older one may be named as long as it is live, by a caller
    whose own data was not rekeyed yet.
    """

    field: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    values: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_VALUES)]
    epoch: Epoch | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A value that has no token: it cannot be read, is empty, or is of somebody who was forgotten."""

    index: int
    reason: Literal["unreadable", "empty", "forgotten"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A token for each value, in their order; null where there is none, and then `refused` says why."""

    domain: Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
    epoch: Epoch
    tokens: list[Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)] | None]
    refused: list[Refused]
