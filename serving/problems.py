"""Errors over HTTP: RFC 9457 problem documents, for every error that there is here. None repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from recsys.contracts.token import MEND
from recsys.errors import ContractError
from serving.stores import ErasedError, StoreError, UnclearError
from web.problems import FieldError, Kind, Problem, ProblemError, problem_response, told

NOT_A_TOKEN: Final = Kind("token", "Not a token that is accepted here", HTTPStatus.UNPROCESSABLE_ENTITY)
REUSED_KEY: Final = Kind(
    "idempotency-reused", "The Idempotency-Key was used for something else", HTTPStatus.UNPROCESSABLE_ENTITY
)
BAD_KEY: Final = Kind("idempotency-key", "The Idempotency-Key is missing or misshapen", HTTPStatus.BAD_REQUEST)
BAD_QUERY: Final = Kind("query", "The query is not one that is known here", HTTPStatus.BAD_REQUEST)
NO_DECISION: Final = Kind("no-decision", "There is no such decision", HTTPStatus.NOT_FOUND)
IN_FLIGHT: Final = Kind("idempotency-in-flight", "The same request is being carried out", HTTPStatus.CONFLICT)
REFUSED_RELOAD: Final = Kind("reload-refused", "What is new cannot be used", HTTPStatus.CONFLICT)
ERASED: Final = Kind("erased", "The person was erased", HTTPStatus.GONE)
UNAVAILABLE: Final = Kind("store-unavailable", "The store does not answer", HTTPStatus.SERVICE_UNAVAILABLE)
CLOCK_JUMPED: Final = Kind("clock-jumped", "The machine's clock was put forward", HTTPStatus.SERVICE_UNAVAILABLE)

REPEAT: Final = "send it again with the same Idempotency-Key and event_id"
EXPECTED: Final = (ProblemError, StoreError, ErasedError, ContractError, HTTPException, ClientDisconnect)


def not_a_token(what: str, field: str) -> ProblemError:
    """For a field where a token belongs."""
    return ProblemError(NOT_A_TOKEN.problem(f"{field}: {what}", FieldError(field=field, what=what, mend=MEND)))


def answer_to(error: Exception) -> Response:
    """The answer to an error.

    What is unexpected the framework raises again, so that it is logged (by its type: `serving.logs`) and the connection
    closed; the caller is told, and does not use it again.
    """
    problem, headers = _told(error)
    return problem_response(problem, headers)


def _told(error: Exception) -> tuple[Problem, Mapping[str, str] | None]:
    match error:
        case UnclearError():
            what = f"It may or may not have been recorded: {error.what}; {REPEAT}"
            return UNAVAILABLE.problem(what), {"Retry-After": "1"}
        case StoreError():
            return UNAVAILABLE.problem(f"Nothing was decided or recorded: {error.what}"), {"Retry-After": "1"}
        case ErasedError():
            return ERASED.problem("Nothing may be written about the person while the epoch lasts"), None
        case _:
            return told(error)
