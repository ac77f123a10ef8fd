"""POST /v1/decisions: which offers for whom. Asking shows nothing to anyone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.decision import Decision, Fill, RankedOffer, Reason
from serving.asking import DecisionAsk, relays_opt_out
from serving.callers import Caller
from serving.idempotency import PROBLEMS, CarriedOut, needed
from serving.keys import Scope
from serving.openapi import EXAMPLE_TOKEN, IDEMPOTENCY_KEY, PRIVACY_CONTROL, json_body, reference, reply
from serving.problems import CLOCK_JUMPED
from serving.routing import Operation
from serving.service import Service
from serving.stores import Answer, Replay
from serving.wire import decode, read_body

MAX_REQUESTS: Final = 100

_Many = Annotated[list[DecisionAsk], msgspec.Meta(min_length=1, max_length=MAX_REQUESTS)]
_BODY: Final = msgspec.json.Decoder(DecisionAsk | _Many)

_ASKED: Final = {"subject": EXAMPLE_TOKEN, "channel": "email", "count": 1}
_PUSHED: Final = {**_ASKED, "channel": "push", "reserve_seconds": 3600}
_VISITING: Final = {**_ASKED, "channel": "app", "session_consents": ["profiling", "channel:app"], "gpc": False}
_MADE: Final = Decision(
    decision_id="0f8fad5bd9cb469fa16570867728950e",
    subject=EXAMPLE_TOKEN,
    at=dt.datetime(2017, 11, 27, 9, 0, 12, tzinfo=dt.UTC),
    model_version="grocery/20171127-3f9c",
    policy_version="grocery@a1b2c3d4e5f6",
    arm="personal",
    fill=Fill.PERSONAL,
    items=(
        RankedOffer(
            offer_id="26-51800000050",
            rank=1,
            score=1.5,
            propensity=1.0,
            reasons=(
                Reason(code="bought", text="because you buy what this offer covers", contribution=1.0),
                Reason(code="other", text="because of everything else you buy", contribution=0.5),
            ),
        ),
    ),
)
ANSWERED: Final[dict[str, Any]] = msgspec.to_builtins(_MADE)


def decisions(service: Service) -> Operation:
    """The operation."""

    async def decide(request: Request, caller: Caller) -> Response:
        """Choose offers for one subject, or for up to 100 at once.

        An array is answered by an array, in its order. Every offer passed all guards. A list that could not be filled
        says so in `fill`; a subject of whom nothing is known has agreed to nothing, so that the list is empty. Every
        decision stands in the audit log before it goes out. Showing an offer is an event of its own; a channel that
        pushes reserves its places with `reserve_seconds`. `withheld` is there for keys with the scope `explain`: it
        tells what a person does not buy.
        """
        service.timekeeper.check()
        raw = await read_body(request)
        body = decode(raw, _BODY)
        asks = await _checked(body if isinstance(body, list) else [body], service, request)

        def encoded(made: Sequence[Decision]) -> bytes:
            shown = made if caller.may(Scope.EXPLAIN) else [_without_withheld(decision) for decision in made]
            return msgspec.json.encode(shown if isinstance(body, list) else shown[0])

        async def work(key: bytes | None) -> CarriedOut:
            if key is None:
                return CarriedOut(encoded((await service.decider.decide(asks)).decisions), ())
            made = await service.decider.decide(
                asks, lambda drafts: Answer(key, Replay(HTTPStatus.OK, encoded(drafts)))
            )
            if made.answer is not None:
                return CarriedOut(made.answer.replay.body, (), kept=True)
            return CarriedOut(encoded(made.decisions), [ask.subject for ask in asks])

        return await service.idempotency.once_kept(request, caller, _content(raw, request), work)

    return Operation(
        method="POST",
        path="/v1/decisions",
        tag="decisions",
        handler=decide,
        scope=Scope.DECIDE,
        body=json_body(
            reference(DecisionAsk | _Many),
            one=_ASKED,
            many=[_ASKED, {**_ASKED, "exclude": ["26-1"]}],
            push=_PUSHED,
            visit=_VISITING,
        ),
        parameters=(IDEMPOTENCY_KEY, PRIVACY_CONTROL),
        replies=reply(Decision | list[Decision], ANSWERED),
        problems=(*PROBLEMS, CLOCK_JUMPED),
    )


async def _checked(asks: list[DecisionAsk], service: Service, request: Request) -> list[DecisionAsk]:
    one = len(asks) == 1
    await service.doorkeeper.check(
        {"$.subject" if one else f"$[{number}].subject": ask.subject for number, ask in enumerate(asks)}
    )
    if any(ask.reserve_seconds is not None for ask in asks):
        needed(request, "A reservation")
    if not relays_opt_out(request):
        return asks
    return [msgspec.structs.replace(ask, gpc=True) for ask in asks]


def _content(raw: bytes, request: Request) -> bytes:
    return raw + b"\0gpc" if relays_opt_out(request) else raw


def _without_withheld(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, withheld=None)
