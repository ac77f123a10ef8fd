"""Bodies: read within a limit, decoded against the contracts, answered as JSON. What is refused is not repeated."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from fastapi import Request, Response

from recsys.contracts.document import explain
from recsys.contracts.token import WRONG_FORM
from serving.problems import BROKEN_CONTRACT, NOT_JSON, TOO_LARGE, FieldError, ProblemError, not_a_token

MAX_BODY: Final = 1 << 20  # bytes
_READ_ON: Final = 8 * MAX_BODY  # read on that far before answering: a client that still sends may miss the answer
_MEND: Final = "See the field's description in /openapi.json"

T = TypeVar("T")


async def read_body(request: Request) -> bytes:
    """The body of a request that says it is JSON, up to `MAX_BODY` bytes."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(NOT_JSON.problem("Send JSON with the header Content-Type: application/json"))
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY:
            body += chunk
        elif size > _READ_ON:
            break
    if size > MAX_BODY:
        raise ProblemError(TOO_LARGE.problem(f"A body may have {MAX_BODY} bytes; send fewer at a time"))
    return bytes(body)


def decode(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode `raw`, or raise a `ProblemError` that names the field."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        what, _, place = explain(error).partition(" at $")
        raise _misfit(what, f"${place}") from None
    except UnicodeDecodeError:
        raise _misfit("not UTF-8", "$") from None
    except RecursionError:
        raise _misfit("nested too deeply", "$") from None


def answer(document: object) -> Response:
    """`document` as JSON. No cache may keep it: it may be about a person."""
    return Response(
        msgspec.json.encode(document),
        status_code=HTTPStatus.OK,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _misfit(what: str, field: str) -> ProblemError:
    if what == WRONG_FORM:
        return not_a_token(what, field)
    return ProblemError(BROKEN_CONTRACT.problem(f"{field}: {what}", FieldError(field=field, what=what, mend=_MEND)))
