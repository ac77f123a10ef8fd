"""GET /v1/models and POST /v1/reload: what decides, and reading it all anew."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.bundle import Bundle
from recsys.errors import RecsysError
from serving.callers import Caller
from serving.keys import Scope
from serving.openapi import reply
from serving.problems import REFUSED_RELOAD, UNAVAILABLE
from serving.routing import Operation
from serving.service import Service
from serving.standing import RELOAD
from serving.stores import StoreError
from web.bodies import answer
from web.problems import ProblemError


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle."""

    model_version: str
    level: str
    until: dt.date
    items: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be used the last time that something was to be changed; what stands stands."""

    what: str
    at: dt.datetime


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """What decides in this worker. Hashes are SHA-256 of files; without one, item statistics are the bundle's own."""

    serving: Model
    shadow: Model | None
    challenger: Model | None
    policy_version: str
    policy_sha256: str
    offers: int
    offers_sha256: str
    catalogue: int
    catalogue_sha256: str
    statistics_as_of: dt.date
    statistics_sha256: str | None
    loaded_at: dt.datetime
    refused: Refused | None


_MODEL: Final = {"model_version": "grocery/20171127-3f9c", "level": "type", "until": "2017-11-27", "items": 1834}
_EXAMPLE: Final = {
    "serving": _MODEL,
    "shadow": None,
    "challenger": None,
    "policy_version": "grocery@a1b2c3d4e5f6",
    "policy_sha256": "a1b2c3d4e5f6" + "0" * 52,
    "offers": 312,
    "offers_sha256": "0" * 64,
    "catalogue": 92353,
    "catalogue_sha256": "0" * 64,
    "statistics_as_of": "2017-11-27",
    "statistics_sha256": None,
    "loaded_at": "2017-11-27T09:00:00Z",
    "refused": None,
}


def models(service: Service) -> Operation:
    """The operation that tells."""

    async def list_models(_: Request, __: Caller) -> Response:
        """Say what decides: the bundle, its shadow, the policy, the offers, the catalogue and item statistics."""
        return answer(_told(service))

    return Operation(
        method="GET",
        path="/v1/models",
        tag="models",
        handler=list_models,
        scope=Scope.ADMIN,
        replies=reply(Models, _EXAMPLE),
    )


def reload(service: Service) -> Operation:
    """The operation that reads anew."""

    async def reload_models(_: Request, __: Caller) -> Response:
        """Read bundle, policy, offers, catalogue and item statistics anew, and put them in place together.

        If anything of it cannot be used, nothing is changed (409). No request is dropped, and none sees half of it. The
        other workers follow within `follow_seconds`.
        """
        await asyncio.to_thread(_reloaded, service)
        return answer(_told(service))

    return Operation(
        method="POST",
        path="/v1/reload",
        tag="models",
        handler=reload_models,
        scope=Scope.ADMIN,
        replies=reply(Models, _EXAMPLE),
        problems=(REFUSED_RELOAD, UNAVAILABLE),
    )


def _reloaded(service: Service) -> None:
    try:
        service.standing.reload()
    except StoreError:
        raise
    except RecsysError as error:
        service.standing.refuse(RELOAD, error)
        raise ProblemError(REFUSED_RELOAD.problem(f"What stands serves on: {error.what}")) from None


def _told(service: Service) -> Models:
    active, refusal = service.standing.active, service.standing.refusal
    return Models(
        serving=_model(active.recommender.scorer.bundle),
        shadow=None if active.shadow is None else _model(active.shadow.scorer.bundle),
        challenger=None if active.challenger is None else _model(active.challenger.scorer.bundle),
        policy_version=active.policy.policy_version,
        policy_sha256=active.policy.sha256,
        offers=len(active.book),
        offers_sha256=active.digests["offers"],
        catalogue=len(active.sold),
        catalogue_sha256=active.digests["catalogue"],
        statistics_as_of=active.statistics_as_of,
        statistics_sha256=active.digests.get("statistics"),
        loaded_at=active.loaded_at,
        refused=None if refusal is None else Refused(what=refusal.what, at=refusal.at),
    )


def _model(bundle: Bundle) -> Model:
    return Model(
        model_version=bundle.model_version,
        level=bundle.manifest.level.value,
        until=bundle.manifest.data.until,
        items=len(bundle.vocabulary),
    )
