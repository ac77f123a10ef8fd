"""Bodies, decoded against the contracts of serving: what is no token is said to be none, and no API key gets in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from recsys.contracts.token import WRONG_FORM
from serving.problems import not_a_token
from web import bodies
from web.api_keys import ESCAPED_KEY_PATTERN, KEY_PATTERN
from web.problems import ProblemError, misfit

_KEPT: Final = "recsys.body"  # in the request's scope
_A_KEY: Final = re.compile(KEY_PATTERN.encode())
_ESCAPED_KEY: Final = re.compile(ESCAPED_KEY_PATTERN.encode())

T = TypeVar("T")


async def read_body(request: Request, growing: Callable[[int], None] = lambda _: None) -> bytes:
    """The body of a request that says it is JSON, up to `MAX_BODY` bytes. It is read once and kept with the request."""
    if _KEPT not in request.scope:
        request.scope[_KEPT] = await _received(request, growing)
    body: bytes = request.scope[_KEPT]
    return body


def decode(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode `raw`, or raise a `ProblemError` that names the field."""
    return bodies.decode(raw, decoder, refused=_refused)


async def _received(request: Request, growing: Callable[[int], None]) -> bytes:
    body = await bodies.read_body(request, growing)
    if _A_KEY.search(body) or (b"\\u00" in body and _ESCAPED_KEY.search(body)):  # it would pass for a name, and be kept
        raise misfit("holds an API key; it belongs into the header only, and should be revoked now", "$")
    return body


def _refused(what: str, field: str) -> ProblemError:
    if what == WRONG_FORM:
        return not_a_token(what, field)
    return misfit(what, field)
