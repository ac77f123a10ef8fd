"""The door for events: which purchases and returns are kept, which are dropped, and which are refused and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from recsys.contracts.event import Event, EventType
from recsys.contracts.names import Name
from recsys.offer_book import OfferBook
from recsys.policy import never_items
from serving.doorkeeper import Doorkeeper
from serving.problems import ProblemError
from serving.stores import Recorded
from serving.wire import decode

ACCEPTED_TYPES: Final = frozenset({EventType.PURCHASE, EventType.RETURN})
TOLERANCE: Final = dt.timedelta(minutes=5)  # by which a sender's clock may be ahead of ours
FIRST_INSTANT: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_EVENT: Final = msgspec.json.Decoder(Event)


class _Named(msgspec.Struct, frozen=True):
    """As much of a broken event as may be repeated."""

    event_id: Name


_NAMED: Final = msgspec.json.Decoder(_Named)


class RejectedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that was not taken. `index` is its place in the request; `event_id` is repeated if it is well formed."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    event_id: str | None = None
    reason: str


class EventsReply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events: `accepted` + `duplicates` + the rejected ones are all that were sent.

    `dropped` counts those of the accepted of which nothing was kept: purchases of what is offered to nobody. Sent
    again they are accepted and dropped again.
    """

    accepted: int
    duplicates: int
    dropped: int
    rejected: tuple[RejectedEvent, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request's events, sorted at the door."""

    kept: tuple[Event, ...]
    dropped: int
    rejected: tuple[RejectedEvent, ...]

    def reply(self, recorded: Recorded) -> EventsReply:
        """The reply, once the store has recorded what was kept."""
        return EventsReply(
            accepted=recorded.accepted + self.dropped,
            duplicates=recorded.duplicates,
            dropped=self.dropped,
            rejected=self.rejected,
        )


class Intake:
    """Knows what is sold and what is never offered; asks the doorkeeper about tokens."""

    def __init__(self, book: OfferBook, doorkeeper: Doorkeeper) -> None:
        self._sold = frozenset(book.catalogue["item"])
        self._never = never_items(book.policy, book.catalogue)
        self._doorkeeper = doorkeeper

    def admit(self, body: Event | Sequence[msgspec.Raw], now: dt.datetime) -> Admitted:
        """Sort what was sent. The events of an array are judged one by one; a single event has to fit its contract.

        Raises:
            ProblemError: A single event breaks the contract, or names a token that is not accepted here.
        """
        if isinstance(body, Event):
            self._check_tokens(body)
            return self._sorted([(0, body)], [], now)
        fitting: list[tuple[int, Event]] = []
        broken: list[RejectedEvent] = []
        for index, raw in enumerate(body):
            try:
                event = decode(raw, _EVENT)
                self._check_tokens(event)
                fitting.append((index, event))
            except ProblemError as error:
                broken.append(RejectedEvent(index=index, event_id=_event_id(raw), reason=error.problem.detail))
        return self._sorted(fitting, broken, now)

    def _sorted(self, events: list[tuple[int, Event]], broken: list[RejectedEvent], now: dt.datetime) -> Admitted:
        reasons = {index: self._refusal(event, now) for index, event in events}
        taken = [event for index, event in events if reasons[index] is None]
        kept = tuple(event for event in taken if event.item not in self._never)
        refused = [
            RejectedEvent(index=index, event_id=event.event_id, reason=reason)
            for index, event in events
            if (reason := reasons[index]) is not None
        ]
        rejected = tuple(sorted([*broken, *refused], key=lambda event: event.index))
        return Admitted(kept, len(taken) - len(kept), rejected)

    def _check_tokens(self, event: Event) -> None:
        self._doorkeeper.check(event.subject, "$.subject")
        if event.basket is not None:
            self._doorkeeper.check(event.basket, "$.basket")

    def _refusal(self, event: Event, now: dt.datetime) -> str | None:
        """Why a well-formed event is not taken; None where it is."""
        if event.type not in ACCEPTED_TYPES:
            return "$.type: not yet accepted by this server, which takes purchase and return"
        if event.item is None or event.quantity is None:
            return "$: a purchase or return names an item and a quantity"
        if event.at > now + TOLERANCE:
            return "$.at: lies in the future; check the sender's clock"
        if event.at < FIRST_INSTANT:
            return "$.at: lies before 1970; check the sender's clock"
        if event.item not in self._sold and event.item not in self._never:
            return "$.item: not in the catalogue"
        return None


def _event_id(raw: msgspec.Raw) -> str | None:
    try:
        return decode(raw, _NAMED).event_id
    except ProblemError:
        return None
