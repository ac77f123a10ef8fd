"""Events: what happened, reported by the systems that saw it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

import msgspec

from recsys.contracts.names import Channel, Name
from recsys.contracts.token import TOKEN_PATTERN

ItemName = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class EventType(StrEnum):
    """What can be reported."""

    EXPOSURE = "exposure"
    CLICK = "click"
    IGNORED = "ignored"
    REDEMPTION = "redemption"
    PURCHASE = "purchase"
    RETURN = "return"
    DISMISSAL = "dismissal"


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event. Sent twice with the same `event_id`, it counts once.

    A purchase or return names an `item` and a positive `quantity`; everything else names an `offer_id`.
    """

    contract: Annotated[str, msgspec.Meta(pattern=r"^event/1$")] = "event/1"
    event_id: Name
    type: EventType
    subject: Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)]
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    item: ItemName | None = None
    offer_id: Name | None = None
    decision_id: Name | None = None
    channel: Channel | None = None
    quantity: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None
    value: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    basket: Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)] | None = None
