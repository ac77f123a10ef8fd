"""POST /v1/subjects/access and /v1/subjects/erase: everything that is held about a person, and forgetting it."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.access import SubjectAccess
from recsys.contracts.erasure import ErasureReceipt, OrderId
from recsys.contracts.recipient import SERVING
from serving.asking import Subject
from serving.callers import Caller
from serving.idempotency import PROBLEMS
from serving.keys import Scope
from serving.openapi import EXAMPLE_TOKEN, IDEMPOTENCY_KEY, json_body, reference, reply
from serving.orders import check_order
from serving.routes.preferences import Whose
from serving.routing import Operation
from serving.service import Service
from serving.wire import decode, read_body
from web.bodies import answer

MAX_TOKENS: Final = 64  # of one person: one for each live epoch


class ErasureAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to forget: the custodian's order as it is, or the person's tokens alone; then the order gets a number."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^erasure-order/1$(?!\n)")] = "erasure-order/1"
    order_id: OrderId | None = None
    recipient: Annotated[str, msgspec.Meta(pattern=rf"^{SERVING}$(?!\n)")] = SERVING
    issued_at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None
    subjects: Annotated[tuple[Subject, ...], msgspec.Meta(min_length=1, max_length=MAX_TOKENS)]


_WHOSE: Final = msgspec.json.Decoder(Whose)
_ERASE: Final = msgspec.json.Decoder(ErasureAsk)
_ORDER: Final = {
    "contract": "erasure-order/1",
    "order_id": "9c4d8f1e0b7a4a34a1c1f0e2d3b4a596",
    "recipient": SERVING,
    "issued_at": "2017-11-27T08:00:00Z",
    "subjects": [EXAMPLE_TOKEN],
}
_RECEIPT: Final = {
    "contract": "erasure-receipt/1",
    "order_id": "9c4d8f1e0b7a4a34a1c1f0e2d3b4a596",
    "recipient": SERVING,
    "completed_at": "2017-11-27T09:00:12Z",
    "deleted": {"subjects": 1, "decisions": 3},
    "bundles": [],
}
_ACCESS: Final = {"contract": "subject-access/1", "subject": EXAMPLE_TOKEN, "held": False}


def access(service: Service) -> Operation:
    """The operation that exports."""

    async def access_subject(request: Request, _: Caller) -> Response:
        """Export everything that is held about a person, for the person.

        Histories, preferences, exposures, events, decisions and changes of consents; `held` is false, and all of it
        empty, for a stranger and for somebody who was erased.
        """
        asked = decode(await read_body(request), _WHOSE)
        await service.doorkeeper.check({"$.subject": asked.subject})
        return answer(await asyncio.to_thread(service.store.access, asked.subject))

    return Operation(
        method="POST",
        path="/v1/subjects/access",
        tag="subjects",
        handler=access_subject,
        scope=Scope.SUBJECT,
        body=json_body(reference(Whose), one={"subject": EXAMPLE_TOKEN}),
        replies=reply(SubjectAccess, _ACCESS),
    )


def erasure(service: Service) -> Operation:
    """The operation that forgets."""

    async def erase_subject(request: Request, caller: Caller) -> Response:
        """Forget a person: history, consents, exposures, events, stored answers and what the audit log says of them.

        Takes the custodian's order as it is; it needs a token of each epoch that is accepted. The same order again gets
        the same receipt. Late events about the person are refused while tokens of their epoch may come. The receipt
        holds no token.
        """
        raw = await read_body(request)
        asked = decode(raw, _ERASE)
        check_order(asked.subjects, await service.doorkeeper.accepted(), where="$.subjects")

        async def work() -> tuple[object, Sequence[str]]:
            order_id = asked.order_id or secrets.token_hex(16)
            receipt = await asyncio.to_thread(
                service.store.erase, asked.subjects, order_id=order_id, now=service.clock()
            )
            return receipt, ()

        return await service.idempotency.once(request, caller, raw, work)

    return Operation(
        method="POST",
        path="/v1/subjects/erase",
        tag="subjects",
        handler=erase_subject,
        scope=Scope.SUBJECT,
        body=json_body(reference(ErasureAsk), order=_ORDER, tokens={"subjects": [EXAMPLE_TOKEN]}),
        parameters=(IDEMPOTENCY_KEY,),
        replies=reply(ErasureReceipt, _RECEIPT),
        problems=PROBLEMS,
    )
