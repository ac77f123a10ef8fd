"""Idempotency-Key, as draft-ietf-httpapi-idempotency-key-header-07 has it: a request sent again is not done again.

The store keeps hashes of the key and of the content, and the answer; erasing a person deletes the answers about them.
Only what went well is kept: after an error the same key may be tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from serving.callers import Caller
from serving.clock import Clock
from serving.problems import BAD_KEY, IN_FLIGHT, REUSED_KEY
from serving.stores import Claim, Replay, Store, StoreError, UnclearError
from serving.together import Together
from web.bodies import sent
from web.problems import ProblemError

_log: Final = structlog.stdlib.get_logger(__name__)

HEADER: Final = "idempotency-key"
REPLAYED: Final = {"Idempotency-Replayed": "true"}
_CLAIMED_TOGETHER: Final = 200  # claims in one transaction
PROBLEMS: Final = (BAD_KEY, IN_FLIGHT, REUSED_KEY)
_STRING: Final = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"\Z')  # RFC 8941, 3.3.3

Work = Callable[[], Awaitable[tuple[object, Sequence[str]]]]


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """An answer, and whom it is about; `kept`: for a repetition, already."""

    body: bytes
    subjects: Sequence[str]
    kept: bool = False


class Idempotency:
    """Carries requests out once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store.idempotency, clock
        self._claims = Together("claim", self._claimed, most=_CLAIMED_TOGETHER)

    def close(self) -> None:
        """End the thread."""
        self._claims.close()

    async def once(self, request: Request, caller: Caller, content: bytes, work: Work) -> Response:
        """The answer of `work`, or the one that the same request was given before.

        Args:
            request: Whose header counts; without one the work is simply done.
            caller: Whose key it is: two callers may use the same one.
            content: What names the request's content beside method and path.
            work: Does it; returns a document and the people whom it is about.

        Raises:
            ProblemError: The header is misshapen (400), was used for something else (422), or the request is being
                carried out (409).
        """

        async def encoded(_: bytes | None) -> CarriedOut:
            document, subjects = await work()
            return CarriedOut(msgspec.json.encode(document), subjects)

        return await self.once_kept(request, caller, content, encoded)

    async def once_kept(
        self, request: Request, caller: Caller, content: bytes, work: Callable[[bytes | None], Awaitable[CarriedOut]]
    ) -> Response:
        """As `once`, for work that may keep its answer itself; it is given the key of the claim, if there is one."""
        header = request.headers.get(HEADER)
        if header is None:
            return sent((await work(None)).body)
        key, fingerprint = _key(request, caller, header), hashlib.sha256(content).digest()
        (claim,) = await self._claims.do([(key, fingerprint)])
        if isinstance(claim, Replay):
            return sent(claim.body, REPLAYED)
        if claim is Claim.MISMATCH:
            raise ProblemError(REUSED_KEY.problem("Use another Idempotency-Key for another request"))
        if claim is Claim.IN_FLIGHT:
            raise ProblemError(IN_FLIGHT.problem("Wait for its answer, or ask again"), {"Retry-After": "1"})
        return await self._carried_out(key, functools.partial(work, key))

    def _claimed(self, claims: Sequence[tuple[bytes, bytes]], patience: float) -> Sequence[Claim | Replay]:
        return self._store.begin_all(claims, now=self._clock(), patience=patience)

    async def _carried_out(self, key: bytes, work: Callable[[], Awaitable[CarriedOut]]) -> Response:
        over = False
        try:
            done = await work()
            over = True
        except UnclearError:
            over = True  # it may have been recorded: the claim stands for a minute, in which nobody does it twice
            raise
        finally:
            if not over:
                with contextlib.suppress(
                    StoreError
                ):  # then the claim ends by itself; the first error is the one to tell
                    await asyncio.to_thread(self._store.abandon, key)
        if not done.kept:
            await self._keep(key, done)
        return sent(done.body)

    async def _keep(self, key: bytes, done: CarriedOut) -> None:
        replay = Replay(HTTPStatus.OK, done.body)
        try:
            await asyncio.to_thread(self._store.finish, key, replay, done.subjects, now=self._clock())
        except (
            StoreError
        ) as error:  # it was carried out, and whoever asked has to know; only a repetition is not answered
            _log.warning("answer_not_kept", what=str(error))


def needed(request: Request, why: str) -> None:
    """Return when there is an Idempotency-Key.

    Raises:
        ProblemError: There is none (400).
    """
    if HEADER not in request.headers:
        raise ProblemError(BAD_KEY.problem(f"{why} needs the header Idempotency-Key"))


def _key(request: Request, caller: Caller, header: str) -> bytes:
    found = _STRING.match(header)
    if found is None:
        raise ProblemError(BAD_KEY.problem('Write a quoted string of 1 to 255 characters: Idempotency-Key: "…"'))
    parts = (caller.key_id, request.method, request.url.path, found[1])
    return hashlib.sha256(b"\0".join(part.encode() for part in parts)).digest()
