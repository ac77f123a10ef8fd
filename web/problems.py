"""Errors over HTTP: RFC 9457 problem documents. None repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from recsys.errors import ContractError

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
UNAUTHORIZED: Final = Kind("unauthorized", "No key that holds", HTTPStatus.UNAUTHORIZED)
FORBIDDEN: Final = Kind("forbidden", "The key may not do this", HTTPStatus.FORBIDDEN)
TOO_LARGE: Final = Kind("too-large", "The body is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
NOT_JSON: Final = Kind("media-type", "The body is not declared as JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
RATE_LIMITED: Final = Kind("rate-limit", "The key asks too often", HTTPStatus.TOO_MANY_REQUESTS)
OVERLOADED: Final = Kind("overloaded", "Too much is asked at once", HTTPStatus.SERVICE_UNAVAILABLE)
INTERNAL: Final = Kind("internal", "Something went wrong here", HTTPStatus.INTERNAL_SERVER_ERROR)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.type)
        self.problem = problem
        self.headers = headers


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


def told(error: Exception) -> tuple[Problem, Mapping[str, str] | None]:
    """What to say of an error, and further headers."""
    match error:
        case ProblemError():
            return error.problem, error.headers
        case ContractError():
            return BROKEN_CONTRACT.problem(error.what), None
        case HTTPException():
            return of_status(HTTPStatus(error.status_code)), error.headers
        case ClientDisconnect():
            return BROKEN_CONTRACT.problem("The request is incomplete"), None
        case _:
            unexpected = INTERNAL.problem("Nothing is wrong with the request; tell whoever runs this server")
            return unexpected, {"Connection": "close"}


def of_status(status: HTTPStatus, detail: str = "GET /openapi.json lists what there is") -> Problem:
    """A problem without a kind of its own: no such path, no such method, no HTTP. Nothing sent is repeated."""
    return Problem(type="about:blank", title=status.phrase, status=status, detail=detail)
