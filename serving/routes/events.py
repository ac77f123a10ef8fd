"""POST /v1/events: what happened. Sent twice with the same `event_id`, an event counts once."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request, Response

from recsys.contracts.event import Event
from serving.clock import Clock
from serving.intake import EventsReply, Intake
from serving.openapi import EXAMPLE_TOKEN, json_body, operation, reference
from serving.problems import BROKEN_CONTRACT, NOT_A_TOKEN, NOT_JSON, TOO_LARGE, UNAVAILABLE
from serving.stores import Store
from serving.wire import answer, decode, read_body

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
_DOCUMENTED: Final = operation(
    body=json_body(_SCHEMA, one=_BOUGHT, many=[_BOUGHT, {**_BOUGHT, "event_id": "till-7.20171127.000124.1"}]),
    reply=EventsReply,
    example={
        "accepted": 1,
        "duplicates": 0,
        "dropped": 0,
        "rejected": [{"index": 1, "event_id": "till-7.20171127.000124.1", "reason": "$.item: not in the catalogue"}],
    },
    problems=(TOO_LARGE, NOT_JSON, BROKEN_CONTRACT, NOT_A_TOKEN, UNAVAILABLE),
)


def events_router(intake: Intake, store: Store, clock: Clock) -> APIRouter:
    """The resource."""
    router = APIRouter(tags=["events"])
    one_writer = asyncio.Lock()

    @router.post("/v1/events", **_DOCUMENTED)
    async def record(request: Request) -> Response:
        """Report one event, or up to 1,000 at once. This server takes purchases and returns.

        The events of an array are judged one by one: what cannot be taken is in `rejected` with a reason, the rest is
        recorded, all of it before the answer comes, and the very next decision knows it. The order of arrival does not
        matter; sending again what was recorded changes nothing.
        """
        admitted = intake.admit(decode(await read_body(request), _BODY), clock())
        async with one_writer:  # beside the loop: whoever waits for the disk keeps nobody from a decision
            recorded = await asyncio.to_thread(store.record, admitted.kept)
        return answer(admitted.reply(recorded))

    return router
