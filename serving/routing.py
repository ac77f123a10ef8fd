"""Operations: what may be asked of the service. Each is a path, who may call it, and a function that answers.

The routes and the OpenAPI document are made from the same list. Around each operation stand the key, what it may
ask, the clock of the metrics, and the answers to errors; the framework's own layers see only what no operation takes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.admission import Admission, TurnedAwayError
from serving.callers import ANYBODY, Caller, Callers
from serving.keys import Scope
from serving.metrics import Metrics
from serving.problems import EXPECTED, NOT_A_TOKEN, UNAVAILABLE, answer_to
from serving.stores import StoreError, of_one_request
from serving.wire import read_body
from web.problems import (
    BROKEN_CONTRACT,
    FORBIDDEN,
    NOT_JSON,
    OVERLOADED,
    RATE_LIMITED,
    TOO_LARGE,
    UNAUTHORIZED,
    Kind,
)

_log: Final = structlog.stdlib.get_logger(__name__)

_OF_KEYS: Final = (UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, OVERLOADED)
_OF_BODIES: Final = (TOO_LARGE, NOT_JSON, BROKEN_CONTRACT, NOT_A_TOKEN, UNAVAILABLE)  # every body names people

_QUIET: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

Handler = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Args:
        method: GET, POST or PUT.
        path: With parameters in braces.
        tag: What the document lists it under.
        handler: Answers; its docstring is the description.
        scope: What the caller's key must have; None: no key is needed.
        replies: Media type to the schema of a 200 and an example.
        problems: What else it may answer, beside those of keys, of bodies and the unexpected.
        body: The request body, from `serving.openapi.json_body`.
        parameters: Of the path, the query and the headers, as OpenAPI has them.
    """

    method: str
    path: str
    tag: str
    handler: Handler
    scope: Scope | None
    replies: Mapping[str, Mapping[str, Any]]
    problems: Sequence[Kind] = ()
    body: Mapping[str, Any] | None = None
    parameters: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def all_problems(self) -> tuple[Kind, ...]:
        """Every problem that it may answer with."""
        return (*(_OF_KEYS if self.scope else ()), *self.problems, *(_OF_BODIES if self.body else ()))


def route_of(operation: Operation, callers: Callers, admission: Admission, metrics: Metrics) -> Route:
    """The operation as a route."""

    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        status, worth_a_line = int(HTTPStatus.INTERNAL_SERVER_ERROR), True
        try:
            response = await _answered(operation, callers, admission, metrics, request)
        except TurnedAwayError as error:
            status, worth_a_line = error.problem.status, False  # they come in floods, and are counted
            return answer_to(error)
        else:
            status = response.status_code
            return response
        finally:
            taken = time.perf_counter() - began
            metrics.requests.labels(operation.path, operation.method, str(status)).inc()
            if status == HTTPStatus.OK:  # refusals come at once, and would make an overloaded service look fast
                metrics.seconds.labels(operation.path).observe(taken)
            if worth_a_line:
                _noted(operation, status, taken)

    return Route(operation.path, endpoint, methods=[operation.method])


async def _answered(
    operation: Operation, callers: Callers, admission: Admission, metrics: Metrics, request: Request
) -> Response:
    try:
        if operation.scope is None:
            return await operation.handler(request, ANYBODY)
        caller = await callers.identify(request.headers.get("authorization"), operation.scope)
        admission.count(caller.key_id)
        with admission.body() as growing:
            if operation.body is not None:
                await read_body(request, growing)  # before a place is taken: who sends slowly holds none
            with admission.place(), of_one_request():
                return await operation.handler(request, caller)
    except TurnedAwayError:
        raise
    except EXPECTED as error:
        if isinstance(error, StoreError):
            metrics.store_errors.inc()
            note = _log.debug if operation.scope is None else _log.warning
            note("store_unavailable", what=str(error))
        return answer_to(error)


def _noted(operation: Operation, status: int, taken: float) -> None:
    """A line a request: at DEBUG those that went well, and those that a stranger can make as many of as they like.

    All are counted. The path's parameters are not in it.
    """
    note = _log.debug
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        note = _log.warning
    elif status >= HTTPStatus.BAD_REQUEST and operation.scope is not None and status not in _QUIET:
        note = _log.warning if status > HTTPStatus.INTERNAL_SERVER_ERROR else _log.info
    note("request", route=operation.path, method=operation.method, status=status, ms=round(taken * 1000, 2))
