"""Errors over HTTP: RFC 9457 problem documents, for every error that there is. None repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from recsys.contracts.token import MEND
from recsys.errors import ContractError
from serving.stores import ErasedError, StoreError

_log: Final = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",  # it may be about a person
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field of the body, and how to mend it. The field is a path such as `$[3].subject`."""

    field: str
    what: str
    mend: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. `type` names the kind of problem and stays the same; the texts may be reworded."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: all that its instances have in common."""

    name: str
    title: str
    status: HTTPStatus

    def problem(self, detail: str, *errors: FieldError) -> Problem:
        """A problem of this kind."""
        return Problem(
            type=f"urn:recsys:problem:{self.name}",
            title=self.title,
            status=self.status,
            detail=detail,
            errors=errors,
        )


BROKEN_CONTRACT: Final = Kind("contract", "The body does not fit its contract", HTTPStatus.UNPROCESSABLE_ENTITY)
NOT_A_TOKEN: Final = Kind("token", "Not a token that is accepted here", HTTPStatus.UNPROCESSABLE_ENTITY)
REUSED_KEY: Final = Kind(
    "idempotency-reused", "The Idempotency-Key was used for something else", HTTPStatus.UNPROCESSABLE_ENTITY
)
BAD_KEY: Final = Kind("idempotency-key", "The Idempotency-Key is missing or misshapen", HTTPStatus.BAD_REQUEST)
BAD_QUERY: Final = Kind("query", "The query is not one that is known here", HTTPStatus.BAD_REQUEST)
UNAUTHORIZED: Final = Kind("unauthorized", "No key that holds", HTTPStatus.UNAUTHORIZED)
FORBIDDEN: Final = Kind("forbidden", "The key may not do this", HTTPStatus.FORBIDDEN)
NO_DECISION: Final = Kind("no-decision", "There is no such decision", HTTPStatus.NOT_FOUND)
IN_FLIGHT: Final = Kind("idempotency-in-flight", "The same request is being carried out", HTTPStatus.CONFLICT)
REFUSED_RELOAD: Final = Kind("reload-refused", "What is new cannot be used", HTTPStatus.CONFLICT)
ERASED: Final = Kind("erased", "The person was erased", HTTPStatus.GONE)
TOO_LARGE: Final = Kind("too-large", "The body is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
NOT_JSON: Final = Kind("media-type", "The body is not declared as JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
RATE_LIMITED: Final = Kind("rate-limit", "The key asks too often", HTTPStatus.TOO_MANY_REQUESTS)
OVERLOADED: Final = Kind("overloaded", "Too much is asked at once", HTTPStatus.SERVICE_UNAVAILABLE)
UNAVAILABLE: Final = Kind("store-unavailable", "The store does not answer", HTTPStatus.SERVICE_UNAVAILABLE)
INTERNAL: Final = Kind("internal", "Something went wrong here", HTTPStatus.INTERNAL_SERVER_ERROR)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.type)
        self.problem = problem
        self.headers = headers


EXPECTED: Final = (ProblemError, StoreError, ErasedError, ContractError, HTTPException, ClientDisconnect)


def not_a_token(what: str, field: str) -> ProblemError:
    """For a field where a token belongs."""
    return ProblemError(NOT_A_TOKEN.problem(f"{field}: {what}", FieldError(field=field, what=what, mend=MEND)))


def misfit(what: str, field: str, mend: str = "See the field's description in /openapi.json") -> ProblemError:
    """For a field that does not fit its contract."""
    return ProblemError(BROKEN_CONTRACT.problem(f"{field}: {what}", FieldError(field=field, what=what, mend=mend)))


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response."""
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**SECURITY_HEADERS, **(headers or {})},
    )


def of_status(status: HTTPStatus, detail: str = "GET /openapi.json lists what there is") -> Problem:
    """A problem without a kind of its own: no such path, no such method, no HTTP. Nothing sent is repeated."""
    return Problem(type="about:blank", title=status.phrase, status=status, detail=detail)


def answer_to(error: Exception) -> Response:
    """The answer to an error.

    What is unexpected the framework raises again, so that it is logged (by its type: `serving.logs`) and the connection
    closed; the caller is told, and does not use it again.
    """
    if isinstance(error, StoreError):
        _log.warning("store_unavailable", what=str(error))
    problem, headers = _told(error)
    return problem_response(problem, headers)


def _told(error: Exception) -> tuple[Problem, Mapping[str, str] | None]:
    told: tuple[Problem, Mapping[str, str] | None]
    match error:
        case ProblemError():
            told = error.problem, error.headers
        case StoreError():
            told = UNAVAILABLE.problem(f"Nothing was decided or recorded: {error.what}"), {"Retry-After": "1"}
        case ErasedError():
            told = ERASED.problem("Nothing may be written about the person while the epoch lasts"), None
        case ContractError():
            told = BROKEN_CONTRACT.problem(error.what), None
        case HTTPException():
            told = of_status(HTTPStatus(error.status_code)), error.headers
        case ClientDisconnect():
            told = BROKEN_CONTRACT.problem("The request is incomplete"), None
        case _:
            unexpected = INTERNAL.problem("Nothing is wrong with the request; tell whoever runs this server")
            told = unexpected, {"Connection": "close"}
    return told
