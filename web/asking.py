"""Asking one of our servers: one key, connections that are kept, and tries that are repeated.

A request is sent again when it did not arrive, or the server was busy, with a growing pause, and not before the server
says that it may (`Retry-After`). So send only what may be repeated: it reads, or its repetition counts once.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import itertools
import random
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
import msgspec

from recsys.errors import RecsysError

_RETRIED: Final = frozenset(
    {
        0,  # it did not answer
        HTTPStatus.CONFLICT,  # the first try is still being carried out
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_FIRST_PAUSE: Final = 0.1  # seconds; doubles from try to try, and is drawn between half of it and all
_LONGEST_PAUSE: Final = 5.0
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


class ServiceError(RecsysError):
    """The service refused a request, or could not be reached.

    Args:
        what: What it said.
        where: Which service.
        status: 0 where it did not answer.
        kind: The problem's type.
        retry_after: Seconds after which it may be asked again, where it said so.
    """

    def __init__(self, what: str, *, where: str, status: int, kind: str, retry_after: float | None = None) -> None:
        super().__init__(what, where=where, mend="See the problem's detail")
        self.status = status
        self.kind = kind
        self.retry_after = retry_after


class _Problem(msgspec.Struct, frozen=True):
    type: str = "about:blank"
    detail: str = ""


class Asker:
    """Asks one server with one key; keeps its connections. Close it, or use it as a context manager.

    Args:
        url: Where the server is.
        key: `rk1.…`; never logged, never part of a URL.
        server: What it is called, for errors.
        tries: How often a request is sent at most.
        timeout: Seconds for one try.
        patience: Seconds that all pauses between the tries of one request may take; whoever is told to come back later
            than that is told so at once.
    """

    def __init__(
        self, url: str, key: str, *, server: str, tries: int = 4, timeout: float = 5.0, patience: float = 10.0
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, headers={"Authorization": f"Bearer {key}"})
        self._server = server
        self._tries = tries
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def asked(self, method: str, path: str, body: object, kind: type[T], headers: Mapping[str, str] | None = None) -> T:
        """The answer to a request, or `ServiceError`."""
        content = None if body is None else msgspec.json.encode(body)
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}
        left = self._patience
        for attempt in itertools.count(1):
            try:
                response = self._http.request(method, path, content=content, headers=sent)
                if response.status_code == HTTPStatus.OK:
                    break
                failed = self._refusal(response)
            except httpx.TransportError as error:
                what = f"did not answer ({type(error).__name__})"
                failed = ServiceError(what, where=self._server, status=0, kind="unreachable")
            pause = _pause(attempt) + (failed.retry_after or 0.0)
            if attempt >= self._tries or failed.status not in _RETRIED or pause > left:
                raise failed
            left -= pause
            time.sleep(pause)
        return msgspec.json.decode(response.content, type=kind)

    def _refusal(self, response: httpx.Response) -> ServiceError:
        try:
            problem = msgspec.json.decode(response.content, type=_Problem)
        except msgspec.DecodeError:
            problem = _Problem(detail="an answer that is no problem document")
        what = f"refused with {response.status_code}: {problem.detail}"
        after = _seconds(response.headers.get("retry-after", ""))
        status = response.status_code
        return ServiceError(what, where=self._server, status=status, kind=problem.type, retry_after=after)


def _pause(attempt: int) -> float:
    longest = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - so that many clients do not come back at once


def _seconds(retry_after: str) -> float | None:
    """What `Retry-After` says, in seconds or as an instant (RFC 9110, section 10.2.3); None where it says neither."""
    if _SECONDS.fullmatch(retry_after):
        return float(retry_after)
    try:
        at = email.utils.parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    now = dt.datetime.now(dt.UTC)
    return max(0.0, (at.replace(tzinfo=at.tzinfo or dt.UTC) - now).total_seconds())
