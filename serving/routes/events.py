"""POST /v1/events: what happened. Sent twice with the same `event_id`, an event counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.event import Event
from serving.callers import Caller
from serving.idempotency import PROBLEMS
from serving.intake import Admitted, EventsReply, Intake
from serving.keys import Scope
from serving.openapi import EXAMPLE_TOKEN, IDEMPOTENCY_KEY, json_body, reference, reply
from serving.routing import Operation
from serving.service import Service
from serving.wire import decode, read_body

MAX_EVENTS: Final = 1000

_Many = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_EVENTS)]
_BODY: Final = msgspec.json.Decoder(Event | _Many)

_BOUGHT: Final = {
    "event_id": "till-7.20171127.000123.1",
    "type": "purchase",
    "subject": EXAMPLE_TOKEN,
    "at": "2017-11-27T08:59:30Z",
    "item": "1029743",
    "quantity": 2.0,
}
_SHOWN: Final = {
    "event_id": "mail-4711.1",
    "type": "exposure",
    "subject": EXAMPLE_TOKEN,
    "at": "2017-11-27T08:59:30Z",
    "offer_id": "26-51800000050",
    "decision_id": "0f8fad5bd9cb469fa16570867728950e",
    "channel": "email",
}
_SCHEMA: Final = {
    "anyOf": [
        reference(Event),
        {
            "type": "array",
            "description": "Events; whatever is not one is rejected by itself, and the others are taken.",
            "items": {"anyOf": [reference(Event), {}]},
            "minItems": 1,
            "maxItems": MAX_EVENTS,
        },
    ]
}
_REPLY: Final = {
    "accepted": 1,
    "duplicates": 0,
    "dropped": 0,
    "rejected": [{"index": 1, "event_id": "till-7.20171127.000124.1", "reason": "$.item: not in the catalogue"}],
}


def events(service: Service) -> Operation:
    """The operation."""

    async def record(request: Request, caller: Caller) -> Response:
        """Report one event, or up to 1,000 at once.

        Exposures, clicks, redemptions, `ignored`, purchases, returns and dismissals. The events of an array are judged
        one by one: what cannot be taken is in `rejected` with a reason, the rest is recorded, all of it before the
        answer comes, and the very next decision knows it. The order of arrival does not matter; sending again what was
        recorded changes nothing. Of what is offered to nobody, nothing is kept.
        """
        raw = await read_body(request)
        active, now = service.standing.active, service.timekeeper.latest()
        admitted = await Intake(active, service.doorkeeper, now).admit(decode(raw, _BODY))

        async def work() -> tuple[object, Sequence[str]]:  # beside the loop: it waits for the disk
            recorded = await asyncio.to_thread(
                service.store.record, admitted.kept, now=service.clock(), caps=active.policy.cap
            )
            answered = admitted.reply(recorded)
            _count(service, answered, admitted, erased=len(recorded.erased))
            return answered, sorted({one.event.subject for one in admitted.kept})

        return await service.idempotency.once(request, caller, raw, work)

    return Operation(
        method="POST",
        path="/v1/events",
        tag="events",
        handler=record,
        scope=Scope.EVENTS,
        body=json_body(_SCHEMA, one=_BOUGHT, many=[_SHOWN, {**_BOUGHT, "event_id": "till-7.20171127.000124.1"}]),
        parameters=(IDEMPOTENCY_KEY,),
        replies=reply(EventsReply, _REPLY),
        problems=PROBLEMS,
    )


def _count(service: Service, answered: EventsReply, admitted: Admitted, *, erased: int) -> None:
    outcomes = {
        "accepted": answered.accepted,
        "duplicate": answered.duplicates,
        "dropped": answered.dropped,
        "rejected": len(admitted.rejected),
        "erased": erased,
        "late": answered.late,
        "over_cap": answered.over_cap,
    }
    for outcome, count in outcomes.items():
        if count:
            service.metrics.events.labels(outcome).inc(count)
