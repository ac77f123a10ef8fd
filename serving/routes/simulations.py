"""POST /v1/policies/simulate: what another policy would do to a few people."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.callers import Caller
from serving.keys import Scope
from serving.openapi import EXAMPLE_TOKEN, json_body, reference, reply
from serving.routing import Operation
from serving.service import Service
from serving.simulating import Simulation, SimulationAsk, simulate
from serving.wire import decode, read_body
from web.bodies import answer

_BODY: Final = msgspec.json.Decoder(SimulationAsk)
_ASKED: Final = {
    "policy": 'version = 1\nname = "stricter"\nnever = ["wine"]\n\n[groups.wine]\ncategories = ["WINE"]\n',
    "subjects": [EXAMPLE_TOKEN],
    "channel": "email",
    "count": 3,
}
_LIST: Final = {"arm": "personal", "fill": "personal", "offers": ["26-1", "26-7", "26-3"], "withheld": {}}
_ANSWERED: Final = {
    "policy_version": "stricter@0f8fad5bd9cb",
    "stands": "grocery@a1b2c3d4e5f6",
    "subjects": [
        {
            "subject": EXAMPLE_TOKEN,
            "stands": _LIST,
            "simulated": {**_LIST, "offers": ["26-1", "26-3", "26-9"], "withheld": {"never": 1}},
        }
    ],
}


def simulation(service: Service) -> Operation:
    """The operation."""

    async def simulate_policy(request: Request, _: Caller) -> Response:
        """Try a policy on a few people, beside the one that stands.

        Nothing goes out and nothing is written down. Whole populations are for `recsys-evaluate decide`.
        """
        asked = decode(await read_body(request), _BODY)
        await service.doorkeeper.check({f"$.subjects[{number}]": token for number, token in enumerate(asked.subjects)})
        return answer(await asyncio.to_thread(simulate, asked, service.standing.active, service.store, service.clock()))

    return Operation(
        method="POST",
        path="/v1/policies/simulate",
        tag="policies",
        handler=simulate_policy,
        scope=Scope.EXPLAIN,
        body=json_body(reference(SimulationAsk), one=_ASKED),
        replies=reply(Simulation, _ANSWERED),
    )
