"""The door for events: which are kept, which are dropped, and which are refused and why."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from recsys.contracts.event import Event, EventType
from recsys.contracts.names import Name
from recsys.contracts.token import Lineage
from serving.active import Active
from serving.asking import DECISION_ID
from serving.doorkeeper import Doorkeeper, check_token
from serving.stores import Recorded, Reported
from serving.wire import decode
from web.problems import ProblemError

SOLD: Final = frozenset({EventType.PURCHASE, EventType.RETURN})
TOLERANCE: Final = dt.timedelta(minutes=5)  # by which a sender's clock may be ahead of ours
FIRST_INSTANT: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ERASED_REASON: Final = "$.subject: was erased; nothing is kept of the person"

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


class EventsReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the events: `accepted` + `duplicates` + the rejected ones are all that were sent.

    `dropped` counts those of the accepted of which nothing was kept: they were about what is offered to nobody. Sent
    again they are accepted and dropped again. Exposures are facts: those that arrived `late`, or went `over_cap`, count
    all the same; both are left out where they are 0.
    """

    accepted: int
    duplicates: int
    dropped: int
    late: int = 0
    over_cap: int = 0
    rejected: tuple[RejectedEvent, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request's events, sorted at the door.

    Args:
        kept: What the store is to take.
        places: The place in the request of each of them.
        dropped: How many were accepted and are not kept.
        rejected: Those that are not taken.
    """

    kept: tuple[Reported, ...]
    places: tuple[int, ...]
    dropped: int
    rejected: tuple[RejectedEvent, ...]

    def reply(self, recorded: Recorded) -> EventsReply:
        """The reply, once the store has recorded what was kept."""
        erased = [
            RejectedEvent(index=self.places[place], event_id=self.kept[place].event.event_id, reason=ERASED_REASON)
            for place in recorded.erased
        ]
        return EventsReply(
            accepted=recorded.accepted + self.dropped,
            duplicates=recorded.duplicates,
            dropped=self.dropped,
            late=recorded.late,
            over_cap=recorded.over_cap,
            rejected=tuple(sorted([*self.rejected, *erased], key=lambda event: event.index)),
        )


class Intake:
    """Sorts events by what is sold and offered now; asks the doorkeeper about tokens."""

    def __init__(self, active: Active, doorkeeper: Doorkeeper, now: dt.datetime) -> None:
        self._active, self._doorkeeper, self._now = active, doorkeeper, now

    async def admit(self, body: Event | Sequence[msgspec.Raw]) -> Admitted:
        """Sort what was sent. The events of an array are judged one by one; a single event has to fit its contract.

        Raises:
            ProblemError: A single event breaks the contract, or names a token that is not accepted here.
            StoreError: The store does not answer.
        """
        if isinstance(body, Event):
            await self._doorkeeper.check(dict(_tokens(body)))
            return self._sorted([(0, body)], [])
        events: list[tuple[int, Event]] = []
        broken: list[RejectedEvent] = []
        for index, raw in enumerate(body):
            try:
                events.append((index, decode(raw, _EVENT)))
            except ProblemError as error:
                broken.append(_broken(index, _event_id(raw), error))
        accepted = await self._doorkeeper.accepting(token for _, event in events for _, token in _tokens(event))
        fitting: list[tuple[int, Event]] = []
        for index, event in events:
            try:
                _check_tokens(event, accepted)
                fitting.append((index, event))
            except ProblemError as error:
                broken.append(_broken(index, event.event_id, error))
        return self._sorted(fitting, broken)

    def _sorted(self, events: list[tuple[int, Event]], broken: list[RejectedEvent]) -> Admitted:
        kept: list[tuple[int, Reported]] = []
        dropped, rejected = 0, broken
        for index, event in events:
            reason = _misfit(event) or self._refusal(event)
            if reason is not None:
                rejected.append(RejectedEvent(index=index, event_id=event.event_id, reason=reason))
            elif event.item in self._active.never or event.offer_id in self._active.unspoken:
                dropped += 1
            else:
                kept.append((index, self._reported(event)))
        ordered = tuple(sorted(rejected, key=lambda event: event.index))
        return Admitted(tuple(one for _, one in kept), tuple(index for index, _ in kept), dropped, ordered)

    def _reported(self, event: Event) -> Reported:
        shown = event.type is EventType.EXPOSURE
        return Reported(event, self._active.categories.get(event.offer_id or "", ()) if shown else ())

    def _refusal(self, event: Event) -> str | None:
        """Why an event that is complete is not taken now; None where it is."""
        if event.at > self._now + TOLERANCE:
            return "$.at: lies in the future; check the sender's clock"
        if event.at < FIRST_INSTANT:
            return "$.at: lies before 1970; check the sender's clock"
        if event.item is not None and event.item not in self._active.sold and event.item not in self._active.never:
            return "$.item: not in the catalogue"
        if event.offer_id is not None and event.offer_id not in self._active.categories:
            return "$.offer_id: not among the offers"
        return None


def _tokens(event: Event) -> Iterator[tuple[str, str]]:
    yield "$.subject", event.subject
    if event.basket is not None:
        yield "$.basket", event.basket


def _check_tokens(event: Event, accepted: frozenset[Lineage]) -> None:
    for field, token in _tokens(event):
        check_token(token, field, accepted)


def _broken(index: int, event_id: str | None, error: ProblemError) -> RejectedEvent:
    return RejectedEvent(index=index, event_id=event_id, reason=error.problem.detail)


def _misfit(event: Event) -> str | None:
    """What its type asks for and it lacks, or has and should not."""
    if event.type in SOLD:
        return None if event.item and event.quantity else "$: a purchase or return names an item and a quantity"
    if event.decision_id is not None and not re.fullmatch(DECISION_ID, event.decision_id):
        return "$.decision_id: not the id of a decision"
    if event.type is EventType.DISMISSAL:
        return _misfit_dismissal(event)
    if event.offer_id is None:
        return f"$: what is of type {event.type.value} names an offer_id"
    if event.type is EventType.EXPOSURE and event.channel is None:
        return "$: an exposure names the channel"
    return None


def _misfit_dismissal(event: Event) -> str | None:
    if not event.offer_id and not event.item:
        return "$: a dismissal names an offer_id or an item"
    return "$.expires: lies before $.at" if event.expires is not None and event.expires <= event.at else None


def _event_id(raw: msgspec.Raw) -> str | None:
    try:
        return decode(raw, _NAMED).event_id
    except ProblemError:
        return None
