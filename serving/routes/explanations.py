"""GET /v1/decisions/{decision_id}: why this, and why not that."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.names import NAME_PATTERN, NAME_RULE
from serving.asking import DECISION_ID
from serving.callers import Caller
from serving.explaining import Explanation, explain
from serving.keys import Scope
from serving.openapi import reply
from serving.problems import BAD_QUERY, NO_DECISION, UNAVAILABLE
from serving.routes.decisions import ANSWERED
from serving.routing import Operation
from serving.service import Service
from web.bodies import answer
from web.problems import BROKEN_CONTRACT, ProblemError

_EXAMPLE: Final = {
    "decision": {**ANSWERED, "withheld": {"never": 4}},
    "request": {"subject": ANSWERED["subject"], "channel": "email", "placement": None, "count": 1, "exclude": []},
    "other": {
        "offer_id": "26-1",
        "exact": True,
        "withheld_by": [
            {
                "name": "only_if_purchased",
                "text": "it holds something that goes only to those who buy it, often and recently enough",
            }
        ],
    },
}
_PARAMETERS: Final = (
    {
        "name": "decision_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": DECISION_ID},
        "example": ANSWERED["decision_id"],
        "description": "Stands in every decision.",
    },
    {
        "name": "offer",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "pattern": NAME_PATTERN},
        "example": "26-1",
        "description": "Also say why this offer is not in the list.",
    },
)


def explanation(service: Service) -> Operation:
    """The operation."""

    async def explain_decision(request: Request, _: Caller) -> Response:
        """Say why a decision is as it is, and why an offer is not in it.

        Of a person who was erased there is no decision any more.
        """
        decision_id, offer = request.path_params["decision_id"], request.query_params.get("offer")
        if offer is not None and not re.fullmatch(NAME_PATTERN, offer):
            raise ProblemError(BAD_QUERY.problem(f"offer: not a name ({NAME_RULE})"))
        record = None
        if re.fullmatch(DECISION_ID, decision_id):
            record = await asyncio.to_thread(service.store.decision, decision_id)
        if record is None:
            raise ProblemError(NO_DECISION.problem("It was never made here, was erased, or is too old"))
        explained = await asyncio.to_thread(explain, record, offer, service.standing.active, service.store)
        return answer(explained)

    return Operation(
        method="GET",
        path="/v1/decisions/{decision_id}",
        tag="decisions",
        handler=explain_decision,
        scope=Scope.EXPLAIN,
        parameters=_PARAMETERS,
        replies=reply(Explanation, _EXAMPLE),
        problems=(BAD_QUERY, NO_DECISION, BROKEN_CONTRACT, UNAVAILABLE),
    )
