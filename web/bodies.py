"""Bodies: read within a limit, decoded against a contract, answered as JSON. What is refused is not repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.document import explain
from web.problems import NOT_JSON, SECURITY_HEADERS, TOO_LARGE, ProblemError, misfit

MAX_BODY: Final = 1 << 20  # bytes
_READ_ON: Final = 8 * MAX_BODY  # read on that far before answering: a client that still sends may miss the answer

T = TypeVar("T")


async def read_body(request: Request, growing: Callable[[int], None] = lambda _: None) -> bytes:
    """The body of a request that says it is JSON, up to `MAX_BODY` bytes.

    Args:
        request: Whose body has not been read.
        growing: Told how large the body is so far, before it is kept; may raise.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(NOT_JSON.problem("Send JSON with the header Content-Type: application/json"))
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY:
            growing(size)
            body += chunk
        elif size > _READ_ON:
            break
    if size > MAX_BODY:
        raise ProblemError(TOO_LARGE.problem(f"A body may have {MAX_BODY} bytes; send fewer at a time"))
    return bytes(body)


def decode(
    raw: bytes | msgspec.Raw,
    decoder: msgspec.json.Decoder[T],
    *,
    refused: Callable[[str, str], ProblemError] = misfit,
) -> T:
    """Decode `raw`, or raise what `refused` makes of the fault and the field."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        what, _, place = explain(error).partition(" at $")
        raise refused(what, f"${place}") from None
    except UnicodeDecodeError:
        raise refused("not UTF-8", "$") from None
    except RecursionError:
        raise refused("nested too deeply", "$") from None


def answer(document: object) -> Response:
    """`document` as JSON."""
    return sent(msgspec.json.encode(document))


def sent(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A body that is JSON already."""
    return Response(
        body,
        status_code=HTTPStatus.OK,
        media_type="application/json",
        headers={**SECURITY_HEADERS, **(headers or {})},
    )
