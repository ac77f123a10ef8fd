"""Errors over HTTP: RFC 9457 problem documents, for every error that there is. None repeats what was sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from recsys.contracts.token import MEND
from serving.stores import StoreError

_log: Final = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


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
TOO_LARGE: Final = Kind("too-large", "The body is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
NOT_JSON: Final = Kind("media-type", "The body is not declared as JSON", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
UNAVAILABLE: Final = Kind("store-unavailable", "The store does not answer", HTTPStatus.SERVICE_UNAVAILABLE)
INTERNAL: Final = Kind("internal", "Something went wrong here", HTTPStatus.INTERNAL_SERVER_ERROR)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.type)
        self.problem = problem


def not_a_token(what: str, field: str) -> ProblemError:
    """For a field where a token belongs."""
    return ProblemError(NOT_A_TOKEN.problem(f"{field}: {what}", FieldError(field=field, what=what, mend=MEND)))


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response."""
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    for kind in (ProblemError, StoreError, HTTPException, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    """Answer an error.

    What is unexpected the framework raises again, so that it is logged (by its type: `serving.logs`) and the connection
    closed; the caller is told, and does not use it again.
    """
    match error:
        case ProblemError():
            return problem_response(error.problem)
        case StoreError():
            _log.warning("%s", error)
            return problem_response(UNAVAILABLE.problem(f"Nothing was decided or recorded: {error.what}"))
        case HTTPException():
            return problem_response(_of_status(HTTPStatus(error.status_code)), error.headers)
        case RequestValidationError() | ClientDisconnect():
            return problem_response(BROKEN_CONTRACT.problem("The request is incomplete or misshapen"))
        case _:
            problem = INTERNAL.problem("Nothing is wrong with the request; tell whoever runs this server")
            return problem_response(problem, {"Connection": "close"})


def _of_status(status: HTTPStatus) -> Problem:
    """A problem without a kind of its own: no such path, no such method. The path is not repeated."""
    return Problem(
        type="about:blank", title=status.phrase, status=status, detail="GET /openapi.json lists what there is"
    )
