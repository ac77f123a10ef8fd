"""Events as they lie in the store, and as the contract has them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from recsys.contracts.access import HeldEvent
from recsys.contracts.event import Event, EventType
from serving.stores.times import instant

_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])


def event_of(row: Any) -> Event:  # noqa: ANN401 - a row of `events`
    """The event that was reported."""
    return Event(
        event_id=row.event_id,
        type=EventType(row.type),
        subject=row.subject,
        at=instant(row.at),
        item=row.item,
        offer_id=row.offer_id,
        decision_id=row.decision_id,
        channel=row.channel,
        quantity=row.quantity,
        value=row.value,
        basket=row.basket,
        reason=row.reason,
        expires=None if row.expires is None else instant(row.expires),
    )


def held_event_of(row: Any) -> HeldEvent:  # noqa: ANN401 - a row of `events`
    """With what the service knows of it."""
    return HeldEvent(event=event_of(row), received=instant(row.received), remarks=texts_of(row.remarks) or ())


def texts_of(column: str | None) -> tuple[str, ...] | None:
    """A JSON array of texts."""
    return None if column is None else _TEXTS.decode(column)
