"""The application: every operation as a route, and the document that describes them. Nothing stands in the module."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recsys.contracts.access import SubjectAccess
from recsys.contracts.decision import Decision
from recsys.contracts.erasure import ErasureReceipt
from recsys.contracts.event import Event
from recsys.contracts.preferences import Preferences
from serving.asking import DecisionAsk
from serving.explaining import Explanation
from serving.intake import EventsReply
from serving.openapi import document
from serving.problems import answer_to
from serving.routes.decisions import decisions
from serving.routes.events import events
from serving.routes.explanations import explanation
from serving.routes.health import Liveness, Readiness, figures, liveness, readiness
from serving.routes.models import Models, models, reload
from serving.routes.preferences import PreferencesAsk, Whose, changing, reading
from serving.routes.simulations import simulation
from serving.routes.subjects import ErasureAsk, access, erasure
from serving.routing import Operation, route_of
from serving.service import Service
from serving.simulating import Simulation, SimulationAsk
from serving.stores import StoreError
from web.bodies import sent

_log: Final = structlog.stdlib.get_logger(__name__)

_OTHER_THREADS: Final = 4  # beside those of requests that hold a place: following, readiness
TITLE: Final = "recsys-serve"
SUMMARY: Final = "Guarded offers for people whom the service knows by token only."
_TYPES: Final = (
    *(Decision, DecisionAsk, Event, EventsReply, Explanation, Preferences, PreferencesAsk, Whose),
    *(SubjectAccess, ErasureAsk, ErasureReceipt, Simulation, SimulationAsk, Models, Liveness, Readiness),
)


def create_app(service: Service, *, follow_seconds: float) -> Starlette:
    """The whole service.

    Args:
        service: All that answers.
        follow_seconds: How often to look whether something was changed.
    """
    operations = operations_of(service)
    described = msgspec.json.encode(document(TITLE, SUMMARY, operations, _TYPES))

    async def openapi(_: Request) -> Response:
        return sent(described)

    @contextlib.asynccontextmanager
    async def following(_: Starlette) -> AsyncIterator[None]:
        threads = ThreadPoolExecutor(service.admission.places + _OTHER_THREADS, thread_name_prefix="beside")
        asyncio.get_running_loop().set_default_executor(threads)  # one for each request: none waits for another's
        task = asyncio.create_task(_follow(service, follow_seconds))
        yield
        task.cancel()
        service.close()

    app = Starlette(
        routes=[
            *(route_of(operation, service.callers, service.admission, service.metrics) for operation in operations),
            Route("/openapi.json", openapi),
        ],
        exception_handlers={HTTPException: _answer(service), Exception: _answer(service)},
        lifespan=following,
    )
    app.router.redirect_slashes = False  # a redirect would repeat the path
    return app


def operations_of(service: Service) -> tuple[Operation, ...]:
    """All operations, in the order of the document."""
    return (
        decisions(service),
        explanation(service),
        events(service),
        reading(service),
        changing(service),
        access(service),
        erasure(service),
        simulation(service),
        models(service),
        reload(service),
        liveness(),
        readiness(service),
        figures(service),
    )


def _answer(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer_error(_: Request, error: Exception) -> Response:
        response = answer_to(error)
        if isinstance(error, HTTPException):  # a path or method that is not there; the others were counted
            service.metrics.requests.labels("none", "none", str(response.status_code)).inc()
        return response

    return answer_error


async def _follow(service: Service, seconds: float) -> None:
    """Take up changes until the end, whatever goes wrong with one of them."""
    while True:
        await asyncio.sleep(seconds)
        (error,) = await asyncio.gather(asyncio.to_thread(service.follow), return_exceptions=True)
        if isinstance(error, StoreError):
            service.metrics.store_errors.inc()
            _log.warning("store_unavailable", what=str(error))
        elif isinstance(error, Exception):
            _log.error("following_failed", exc_info=error)
