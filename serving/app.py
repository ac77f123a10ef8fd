"""The application: routes around a recommender and a store. Made by a function; nothing stands in the module."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fastapi import FastAPI

from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.event import Event
from serving.clock import Clock
from serving.deciding import Decider
from serving.doorkeeper import Doorkeeper
from serving.intake import EventsReply, Intake
from serving.openapi import components
from serving.problems import Problem, answer_with_problems
from serving.routes.decisions import decisions_router
from serving.routes.events import events_router
from serving.routes.health import Liveness, Readiness, health_router

_TYPES = (Decision, DecisionRequest, Event, EventsReply, Liveness, Problem, Readiness)


class _Documented(FastAPI):
    """Adds to the document the schemas that its routes refer to."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {})["schemas"] = components(*_TYPES)
        return document


def create_app(decider: Decider, clock: Clock, *, clock_started_at: dt.datetime | None = None) -> FastAPI:
    """The whole service.

    Args:
        decider: What decides, and the store that it reads and that events are written to.
        clock: Now, in UTC.
        clock_started_at: Where the clock began, if it does not show the real time.
    """
    app = _Documented(
        title="recsys-serve",
        version="1",
        summary="Guarded offers for people whom the service knows by token only.",
        docs_url=None,  # the pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the path
    )
    answer_with_problems(app)
    store, recommender = decider.store, decider.recommender
    doorkeeper = Doorkeeper(store)
    app.include_router(decisions_router(decider, doorkeeper, clock))
    app.include_router(events_router(Intake(recommender.book, doorkeeper), store, clock))
    app.include_router(health_router(recommender, store, clock, clock_started_at))
    return app
