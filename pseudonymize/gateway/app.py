"""The gateway's application: identifiers in bodies only, and of requests nothing is kept but counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pseudonymize.gateway.callers import Caller
from pseudonymize.gateway.deriving import Deriver, NoEpochError, Wanted
from pseudonymize.gateway.gathering import Gathering
from pseudonymize.gateway.limiting import TOO_FAST, Limiting
from pseudonymize.gateway.messages import PATH
from pseudonymize.gateway.metrics import CONTENT_TYPE, Metrics
from pseudonymize.gateway.openapi import document
from pseudonymize.gateway.plain import Spelled
from pseudonymize.gateway.sent import asked
from recsys.errors import RecsysError
from web.api_keys import holds, sent
from web.bodies import answer, read_body
from web.bodies import sent as sent_as_it_is
from web.problems import (
    BROKEN_CONTRACT,
    FORBIDDEN,
    INTERNAL,
    NOT_JSON,
    SECURITY_HEADERS,
    TOO_LARGE,
    UNAUTHORIZED,
    Kind,
    ProblemError,
    misfit,
    problem_response,
    told,
)

QUERY: Final = Kind("query", "No query belongs here: URLs are written into logs", HTTPStatus.BAD_REQUEST)
UNAVAILABLE: Final = Kind("vault-unavailable", "The vault cannot be used", HTTPStatus.SERVICE_UNAVAILABLE)

_PROBLEMS: Final = (
    *(QUERY, UNAUTHORIZED, FORBIDDEN, TOO_LARGE, NOT_JSON, BROKEN_CONTRACT, TOO_FAST),
    *(UNAVAILABLE, INTERNAL),
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="recsys-pseudonymize"'}
_EXPECTED: Final = (ProblemError, RecsysError, HTTPException, ClientDisconnect)

Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """All that answers.

    Args:
        deriver: Makes the tokens.
    """

    def __init__(self, deriver: Deriver) -> None:
        self.metrics = Metrics()
        self._deriver = deriver
        self._gathering = Gathering(deriver.made, deriver.made_at_once)
        self._limiting = Limiting()

    async def tokens(self, request: Request) -> Response:
        """Turn identifiers into tokens."""
        if request.scope["query_string"]:
            raise ProblemError(QUERY.problem("Send identifiers in the body only; take this one for public now"))
        caller = await self._caller(request)
        field, epoch, values = asked(await read_body(request))
        if field not in caller.fields:
            raise ProblemError(FORBIDDEN.problem(f"The key may ask for: {', '.join(caller.fields)}"))
        self._limiting.spend(caller, len(values))
        made = await self._gathering.made(Wanted(caller.domain, epoch, field), values)
        if self._deriver.caller(caller.key_id) is None:  # revoked since the vault was last looked at
            raise _unauthorized()
        self.metrics.count(made)
        refused = [{"index": place, "reason": why} for place, why in made.refused.items()]
        tokens = made.tokens.json() if isinstance(made.tokens, Spelled) else made.tokens
        found = {"domain": made.lineage.domain, "epoch": made.lineage.epoch, "tokens": tokens, "refused": refused}
        return answer(found)

    async def live(self, _: Request) -> Response:
        """Say that the process runs."""
        return answer({"status": "live"})

    async def ready(self, _: Request) -> Response:
        """Say whether tokens can be made now."""
        lineages = await asyncio.to_thread(self._deriver.follow)
        return answer({"status": "ready", "tokens": [str(lineage) for lineage in lineages]})

    async def figures(self, _: Request) -> Response:
        """Figures, summed over everyone."""
        return Response(self.metrics.exposition(), headers={**SECURITY_HEADERS, "Content-Type": CONTENT_TYPE})

    async def _caller(self, request: Request) -> Caller:
        parts = sent(request.headers.get("authorization"))
        caller = self._holding(*parts) if parts else None
        if parts and caller is None:
            await asyncio.to_thread(self._deriver.follow)  # it may have been made just now
            caller = self._holding(*parts)
        if caller is None:
            raise _unauthorized()
        return caller

    def _holding(self, key_id: str, secret: str) -> Caller | None:
        caller = self._deriver.caller(key_id)
        return caller if holds(secret, None if caller is None else bytes.fromhex(caller.digest)) else None


def create_app(gateway: Gateway) -> Starlette:
    """The application."""
    described = msgspec.json.encode(document(_PROBLEMS, UNAVAILABLE))

    async def openapi(_: Request) -> Response:
        return sent_as_it_is(described)

    async def refuse(_: Request, error: Exception) -> Response:
        response = _answer_to(error)
        gateway.metrics.requests.labels("none", str(response.status_code)).inc()
        return response

    routes: Mapping[str, tuple[str, Handler]] = {
        PATH: ("POST", gateway.tokens),
        "/health/live": ("GET", gateway.live),
        "/health/ready": ("GET", gateway.ready),
        "/metrics": ("GET", gateway.figures),
        "/openapi.json": ("GET", openapi),
    }
    app = Starlette(
        routes=[
            Route(path, _watched(path, handler, gateway.metrics), methods=[method])
            for path, (method, handler) in routes.items()
        ],
        exception_handlers={HTTPException: refuse, Exception: refuse},
    )
    app.router.redirect_slashes = False  # a redirect would repeat the path
    return app


def _watched(path: str, handler: Handler, metrics: Metrics) -> Handler:
    """The handler with its errors answered, and counted."""

    async def endpoint(request: Request) -> Response:
        began, status = time.perf_counter(), int(HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            response = await handler(request)
            status = response.status_code
        except _EXPECTED as error:
            response = _answer_to(error)
            status = response.status_code
        finally:
            metrics.requests.labels(path, str(status)).inc()
            metrics.seconds.labels(path).observe(time.perf_counter() - began)
        return response

    return endpoint


def _answer_to(error: Exception) -> Response:
    if isinstance(error, NoEpochError):
        error = misfit(error.what, error.where or "$", error.mend or "")
    elif isinstance(error, RecsysError):
        problem = UNAVAILABLE.problem(f"No token was made: {error.what}")
        return problem_response(problem, {"Retry-After": "1"})
    return problem_response(*told(error))


def _unauthorized() -> ProblemError:
    return ProblemError(UNAUTHORIZED.problem("Send a key that holds: Authorization: Bearer rk1.…"), _CHALLENGE)
