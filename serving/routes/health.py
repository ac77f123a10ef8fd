"""GET /health/live and /health/ready: whether the process runs, and whether it can decide."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Response

from recsys.recommender import Recommender
from serving.clock import Clock
from serving.openapi import operation
from serving.problems import UNAVAILABLE
from serving.stores import Store
from serving.wire import answer

_Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers. Nothing is said of what it depends on."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What decides here.

    `tokens` are the domains and epochs that are accepted. `clock_started_at` is there when the clock does not show the
    real time but began at that instant.
    """

    status: Literal["ready"] = "ready"
    model_version: str
    policy_version: str
    offers: int
    tokens: tuple[str, ...]
    now: _Instant
    clock_started_at: _Instant | None


_READY_EXAMPLE: Final = {
    "status": "ready",
    "model_version": "grocery/20171127-3f9c",
    "policy_version": "grocery@a1b2c3d4e5f6",
    "offers": 312,
    "tokens": ["rec.01"],
    "now": "2017-11-27T09:00:12Z",
    "clock_started_at": "2017-11-27T09:00:00Z",
}


def health_router(
    recommender: Recommender, store: Store, clock: Clock, clock_started_at: dt.datetime | None
) -> APIRouter:
    """The resource."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", **operation(reply=Liveness, example={"status": "live"}, problems=()))
    async def live() -> Response:
        """Say that the process runs."""
        return answer(Liveness())

    @router.get("/health/ready", **operation(reply=Readiness, example=_READY_EXAMPLE, problems=(UNAVAILABLE,)))
    async def ready() -> Response:
        """Say whether decisions can be made: the bundle was verified at the start, and the store answers now."""
        store.check()
        return answer(
            Readiness(
                model_version=recommender.scorer.bundle.model_version,
                policy_version=recommender.book.policy.policy_version,
                offers=len(recommender.book),
                tokens=tuple(sorted(map(str, store.lineages()))),
                now=clock(),
                clock_started_at=clock_started_at,
            )
        )

    return router
