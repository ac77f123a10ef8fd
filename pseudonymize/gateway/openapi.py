"""/openapi.json: made from the very types that are decoded and sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pseudonymize.gateway.messages import PATH, Answer, Ask
from web.problems import MEDIA_TYPE, Kind, Problem

_REFERENCE: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_KEY: Final = "key"
_TOKEN: Final = "s1.rec.01.k5q2c7ynwd4mx3ju6oethrzbva"  # noqa: S105 - nobody's, and no secret
_ASK: Final = {"field": "loyalty_card", "values": ["9840000000000017", "not known"]}
_ANSWER: Final = {
    "domain": "rec",
    "epoch": "01",
    "tokens": [_TOKEN, None],
    "refused": [{"index": 1, "reason": "unreadable"}],
}


def document(problems: Sequence[Kind], unavailable: Kind) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    Args:
        problems: What asking for tokens may be answered with.
        unavailable: What says that nothing can be answered.
    """
    schemas = msgspec.json.schema_components([Ask, Answer, Problem], ref_template=_REFERENCE)[1]
    asking = {
        "tags": ["tokens"],
        "operationId": "tokens",
        "summary": "Turn identifiers into tokens",
        "description": "Values that cannot be read, or are of somebody who was forgotten, have none; the others have.",
        "security": [{_KEY: []}],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": _schema(Ask), "examples": {"two": {"value": _ASK}}}},
        },
        "responses": {
            "200": {"description": "Done", "content": {_JSON: {"schema": _schema(Answer), "example": _ANSWER}}},
            **_problems(problems),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "recsys-pseudonymize serve",
            "version": "1",
            "summary": "Tokens for calling systems, so that none of them needs a key.",
        },
        "paths": {
            PATH: {"post": asking},
            "/health/live": {"get": _plain("live", "Say that the process runs", _JSON)},
            "/health/ready": {
                "get": _plain("ready", "Say whether tokens can be made now", _JSON, _problems([unavailable]))
            },
            "/metrics": {"get": _plain("metrics", "Figures for Prometheus, summed over everyone", "text/plain")},
        },
        "components": {
            "schemas": dict(schemas),
            "securitySchemes": {
                _KEY: {"type": "http", "scheme": "bearer", "bearerFormat": "rk1.<key_id>.<secret>"},
            },
        },
    }


def _schema(kind: object) -> dict[str, Any]:
    return msgspec.json.schema_components([kind], ref_template=_REFERENCE)[0][0]


def _plain(name: str, summary: str, media_type: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """An operation that needs no key and no body."""
    done = {"description": "Done", "content": {media_type: {}}}
    return {
        "tags": ["health"],
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": done, **(more or {})},
    }


def _problems(kinds: Sequence[Kind]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for kind in kinds:
        told = responses.setdefault(
            str(int(kind.status)),
            {"description": kind.title, "content": {MEDIA_TYPE: {"schema": _schema(Problem), "examples": {}}}},
        )
        example = msgspec.to_builtins(kind.problem("What is wrong, and how to mend it"))
        told["content"][MEDIA_TYPE]["examples"][kind.name] = {"value": example}
    return responses
