"""Erasure orders and receipts. An order holds its recipient's token only, or it would be a linking table."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from recsys.contracts.recipient import Recipient
from recsys.contracts.token import TOKEN_PATTERN

OrderId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]  # random: it says nothing about anyone


class ErasureOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the custodian sends to one recipient: that domain's tokens of the person, one for each live epoch."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^erasure-order/1$")] = "erasure-order/1"
    order_id: OrderId
    recipient: Recipient
    issued_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    subjects: Annotated[tuple[Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)], ...], msgspec.Meta(min_length=1)]


class AffectedBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bundle that was trained with the person's purchases, and until when it serves."""

    name: str
    version: str
    serves_until: dt.datetime | None


class ErasureReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the recipient deleted. Holds no token: the order's number says whom it concerns."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^erasure-receipt/1$")] = "erasure-receipt/1"
    order_id: OrderId
    recipient: Recipient
    completed_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    deleted: dict[str, int]  # rows, for each file or table
    bundles: tuple[AffectedBundle, ...] = ()


class ErasedToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left of an erased token."""

    hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]  # HMAC-SHA-256, by a salt that stays in the state
    lineage: str  # domain and epoch: how long it is kept


class ErasedTokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who was erased from one state, for a backup of it that was restored. Nobody can tell whom without its salt."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^erased-tokens/1$")] = "erased-tokens/1"
    state: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]  # SHA-256 of the salt
    erased: tuple[ErasedToken, ...]
