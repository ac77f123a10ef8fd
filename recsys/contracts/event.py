"""Events: what happened, reported by the systems that saw it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import polars as pl

from recsys.contracts.names import Channel, Name
from recsys.contracts.table import Column, TableContract, token_column
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

    A purchase or return names an `item` and a positive `quantity`; everything else names an `offer_id`. An exposure
    names the `channel`. A dismissal names an `offer_id` or an `item`, and may say why and until when.
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
    reason: Name | None = None
    expires: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None


EVENTS: Final = TableContract(
    name="events",
    version=1,
    columns=(
        Column("event_id", pl.String(), "The event's key"),
        Column("type", pl.String(), "exposure, click, ignored, redemption, purchase, return or dismissal"),
        token_column("subject", "Whose"),
        Column("at", pl.Datetime("us", "UTC"), "When it happened"),
        Column("received", pl.Datetime("us", "UTC"), "When it was reported"),
        Column("item", pl.String(), "Of purchases and returns", required=False, nullable=True),
        Column("offer_id", pl.String(), "Of everything else", required=False, nullable=True),
        Column("decision_id", pl.String(), "The decision that it follows", required=False, nullable=True),
        Column("channel", pl.String(), "Where", required=False, nullable=True),
        Column("quantity", pl.Float64(), "Above zero, of returns too", required=False, nullable=True),
        Column("value", pl.Float64(), "What was paid or paid back", required=False, nullable=True),
        token_column("basket", "The receipt", required=False, nullable=True),
        Column("reason", pl.String(), "Of a dismissal", required=False, nullable=True),
        Column("expires", pl.Datetime("us", "UTC"), "Of a dismissal", required=False, nullable=True),
        Column("categories", pl.List(pl.String()), "Of an exposure, as they were then", required=False, nullable=True),
        Column("remarks", pl.List(pl.String()), "late, over_cap", required=False, nullable=True),
    ),
    unique=("event_id",),
)
