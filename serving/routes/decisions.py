"""POST /v1/decisions: which offers for whom. Asking shows nothing to anyone and writes nothing."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request, Response

from recsys.contracts.decision import Decision, DecisionRequest
from serving.clock import Clock
from serving.deciding import Decider
from serving.doorkeeper import Doorkeeper
from serving.openapi import EXAMPLE_TOKEN, json_body, operation, reference
from serving.problems import BROKEN_CONTRACT, NOT_A_TOKEN, NOT_JSON, TOO_LARGE, UNAVAILABLE
from serving.wire import answer, decode, read_body

MAX_REQUESTS: Final = 100
AT_ONCE: Final = 4  # few are quicker where they are than in a thread

_Many = Annotated[list[DecisionRequest], msgspec.Meta(min_length=1, max_length=MAX_REQUESTS)]
_BODY: Final = msgspec.json.Decoder(DecisionRequest | _Many)

_ASKED: Final = {"subject": EXAMPLE_TOKEN, "channel": "email", "count": 1}
_ANSWERED: Final = {
    "contract": "decision/1",
    "decision_id": "0f8fad5bd9cb469fa16570867728950e",
    "subject": EXAMPLE_TOKEN,
    "at": "2017-11-27T09:00:12Z",
    "model_version": "grocery/20171127-3f9c",
    "policy_version": "grocery@a1b2c3d4e5f6",
    "arm": "personal",
    "fill": "personal",
    "items": [
        {
            "offer_id": "26-51800000050",
            "rank": 1,
            "score": 1.5,
            "propensity": 1.0,
            "reasons": [
                {"code": "bought", "text": "because you buy what this offer covers", "contribution": 1.0},
                {"code": "other", "text": "because of everything else you buy", "contribution": 0.5},
            ],
        }
    ],
}
_DOCUMENTED: Final = operation(
    body=json_body(reference(DecisionRequest | _Many), one=_ASKED, many=[_ASKED, {**_ASKED, "exclude": ["26-1"]}]),
    reply=Decision | list[Decision],
    example=_ANSWERED,
    problems=(TOO_LARGE, NOT_JSON, BROKEN_CONTRACT, NOT_A_TOKEN, UNAVAILABLE),
)


def decisions_router(decider: Decider, doorkeeper: Doorkeeper, clock: Clock) -> APIRouter:
    """The resource."""
    router = APIRouter(tags=["decisions"])

    @router.post("/v1/decisions", **_DOCUMENTED)
    async def decide(request: Request) -> Response:
        """Choose offers for one subject, or for up to 100 at once; an array is answered by an array, in its order.

        Every offer passed all guards. A list that could not be filled says so in `fill`; a subject of whom nothing is
        known has agreed to nothing, so that the list is empty.
        """
        body = decode(await read_body(request), _BODY)
        many = body if isinstance(body, list) else [body]
        for number, one in enumerate(many):
            doorkeeper.check(one.subject, f"$[{number}].subject" if many is body else "$.subject")
        if len(many) <= AT_ONCE:
            decisions = decider.decide(many, clock())
        else:  # beside the loop: a long batch keeps nobody waiting
            decisions = await asyncio.to_thread(decider.decide, many, clock())
        return answer(decisions if many is body else decisions[0])

    return router
