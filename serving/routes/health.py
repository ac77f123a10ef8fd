"""GET /health/live, /health/ready and /metrics: whether the process runs, whether it can decide, and its figures."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.callers import Caller
from serving.metrics import CONTENT_TYPE
from serving.openapi import reply
from serving.probing import Probe
from serving.problems import CLOCK_JUMPED, UNAVAILABLE
from serving.routing import Operation
from serving.service import Service
from web.bodies import answer
from web.problems import SECURITY_HEADERS

_Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers. Nothing is said of what it depends on."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What decides here.

    `tokens` are the domains and epochs that are accepted. `refused` is there when something newer could not be used and
    what stands serves on. `clock_started_at` is there when the clock does not show the real time but began at that
    instant.
    """

    status: Literal["ready"] = "ready"
    model_version: str
    policy_version: str
    offers: int
    tokens: tuple[str, ...]
    refused: str | None
    now: _Instant
    clock_started_at: _Instant | None


_READY: Final = {
    "status": "ready",
    "model_version": "grocery/20171127-3f9c",
    "policy_version": "grocery@a1b2c3d4e5f6",
    "offers": 312,
    "tokens": ["rec.01"],
    "refused": None,
    "now": "2017-11-27T09:00:12Z",
    "clock_started_at": "2017-11-27T09:00:00Z",
}
_FIGURES: Final = 'recsys_decisions_total{arm="personal",fill="personal"} 128.0\n'


def liveness() -> Operation:
    """Whether the process runs."""

    async def live(_: Request, __: Caller) -> Response:
        """Say that the process runs."""
        return answer(Liveness())

    return Operation(
        method="GET",
        path="/health/live",
        tag="health",
        handler=live,
        scope=None,
        replies=reply(Liveness, {"status": "live"}),
    )


def readiness(service: Service) -> Operation:
    """Whether it can decide."""
    probe = Probe(lambda: _tried(service))

    async def ready(_: Request, __: Caller) -> Response:
        """Say whether decisions can be made now: the store answers, people can be read, and something can be written.

        The store was asked less than a second ago. The bundle was verified when it was put in place. Nothing is decided
        while the machine's clock is in doubt.
        """
        service.timekeeper.check()
        tokens = await probe.outcome()
        active, refusal = service.standing.active, service.standing.refusal
        return answer(
            Readiness(
                model_version=active.model_version,
                policy_version=active.policy.policy_version,
                offers=len(active.book),
                tokens=tokens,
                refused=None if refusal is None else refusal.what,
                now=service.clock(),
                clock_started_at=service.clock_started_at,
            )
        )

    return Operation(
        method="GET",
        path="/health/ready",
        tag="health",
        handler=ready,
        scope=None,
        replies=reply(Readiness, _READY),
        problems=(UNAVAILABLE, CLOCK_JUMPED),
    )


def figures(service: Service) -> Operation:
    """What the process counts."""

    async def metrics(_: Request, __: Caller) -> Response:
        """Figures for Prometheus, summed over everyone and over all workers of this machine."""
        return Response(service.metrics.exposition(), headers={**SECURITY_HEADERS, "Content-Type": CONTENT_TYPE})

    return Operation(
        method="GET",
        path="/metrics",
        tag="health",
        handler=metrics,
        scope=None,
        replies={CONTENT_TYPE: {"schema": {"type": "string"}, "example": _FIGURES}},
    )


def _tried(service: Service) -> tuple[str, ...]:
    """Read and write something that is about nobody.

    Raises:
        StoreError: The store does not answer.
    """
    service.store.try_out(now=service.clock())
    return tuple(sorted(map(str, service.store.lineages())))
